// SPDX-License-Identifier: Apache-2.0
// The flags every changing command shares.
#pragma once

#include "core/duration.hpp"

#include <optional>
#include <string>

namespace conduit::ops {

struct ChangeOptions {
    bool dry_run = false;
    bool check = false; // "would this be safe now?": exit 0 or 3
    std::string plan_out;
    std::string plan_in;
    bool yes = false;
    std::string confirm; // the target's name, for severe changes
    std::string reason;
    std::optional<Duration> revert_after; // --for
    bool no_wait = false;
    std::string incident;
    bool force = false; // only past a guard, and only with a reason
    Duration timeout{120'000};
};

} // namespace conduit::ops
