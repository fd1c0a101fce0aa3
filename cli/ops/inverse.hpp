// SPDX-License-Identifier: Apache-2.0
// Taking a step back, for undo and for compensation. Internal to ops.
#pragma once

#include "cli/ops/plan.hpp"

#include <optional>
#include <vector>

namespace conduit::ops {

struct Inverse {
    std::optional<Step> step;      // nothing: the fields already are what they were
    std::vector<Moved> moved;      // fields somebody else has changed: then there is no step
    std::optional<WallTime> until; // of the values it restores, where the target does not keep that itself
    std::string impossible;        // why it cannot be taken back at all
};
// A value that was to end by itself is not set again once that time has passed: a target that carries
// expiries goes back to nothing set, any other keeps what it has.
Inverse inverse_of(const Step& step, const FieldMap& now, WallTime at, bool carries_expiry);

} // namespace conduit::ops
