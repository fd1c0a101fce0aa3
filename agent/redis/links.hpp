// SPDX-License-Identifier: Apache-2.0
// The connections of one agent. Three, so that a large value on its way keeps neither a look-up nor a limit
// waiting.
#pragma once

#include "agent/config/config.hpp"
#include "agent/redis/link.hpp"

namespace conduit::agent {

struct RedisLinks {
    RedisLink reads, writes, limits;
    void configure(const RedisConfig& config)
    {
        const auto settings = config.on ? std::optional(config.settings) : std::nullopt;
        for (auto* link : {&reads, &writes, &limits})
            link->configure(settings);
    }
    void stop()
    {
        for (auto* link : {&reads, &writes, &limits})
            link->stop();
    }
    RedisState state() const; // of all together: up when each is, the figures summed
};

} // namespace conduit::agent
