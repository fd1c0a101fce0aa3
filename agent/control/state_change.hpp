// SPDX-License-Identifier: Apache-2.0
// What a patch does to the control state, as a value: every store decides by this, and only keeps the outcome
// in its own way.
#pragma once

#include "agent/control/state.hpp"

#include <set>
#include <string>
#include <vector>

namespace conduit::agent {

inline constexpr Duration k_keep_operations = std::chrono::hours{24 * 30};

struct StateChange {
    ControlState state;
    std::set<std::string> touched; // paths to keep as state has them, or to drop where it has them no more
    std::vector<HistoryEntry> history; // oldest first
};

// Takes out what is due, each with its line of history.
void take_out_due(StateChange& change, WallTime now);
bool is_due(const ControlState& state, WallTime now);

// All or nothing. fence: the highest that was seen on the patch's scope. stale, refused, usage.
Result<StateChange> change_state(ControlState before, const StatePatch& patch, std::uint64_t fence,
                                 WallTime now);

// What a repeated operation is compared with: the same id must mean the same change.
std::string patch_digest(const StatePatch& patch);
Result<> check_repeated(const StatePatch& patch, const std::string& recorded_digest);

} // namespace conduit::agent
