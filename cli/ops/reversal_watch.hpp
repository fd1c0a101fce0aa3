// SPDX-License-Identifier: Apache-2.0
// Decides when somebody is sent to carry out reversals: once for each that comes due, and again with growing
// pauses for as long as it is still there. No clock, no processes.
#pragma once

#include "cli/ops/reversal.hpp"

#include <map>
#include <span>
#include <string>

namespace conduit::ops {

class ReversalWatch {
  public:
    // True: send somebody now. One that is sent carries out all that is due.
    bool should_serve(std::span<const Reversal> reversals, WallTime now);
    // True at first and then every 30 s: the folder's heartbeat is due.
    bool should_beat(WallTime now);

  private:
    struct Tried {
        WallTime due; // of the reversal: another time is another reversal
        WallTime next;
        Duration pause{};
    };
    std::map<std::string, Tried> tried_; // by operation
    std::optional<WallTime> beaten_;
};

} // namespace conduit::ops
