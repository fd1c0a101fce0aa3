// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/clock.hpp"

#include <cstdint>
#include <string>

namespace conduit::agent {

struct RedisState { // of this replica's way to Redis, for /health, the summary and the metrics
    bool configured = false;
    bool up = false;
    WallTime since{};  // that it is up, or away
    std::string where; // "cache.example:6379", "master NAME of 3 sentinels"
    std::string error; // why it is away, or what it last refused
    std::uint64_t commands = 0, errors = 0, timeouts = 0, skipped = 0, connects = 0;
    double seconds = 0; // all commands together, from the asking to the answer
};

} // namespace conduit::agent
