// SPDX-License-Identifier: Apache-2.0
// What the journal says about how far an operation got. Internal to ops.
#pragma once

#include "cli/ops/journal.hpp"

namespace conduit::ops {

enum class StepState { untouched, started, done, compensating, compensated };

StepState step_state(const OperationRecord& record, int n);
const Entry* step_entry(const OperationRecord& record, Phase phase, int n); // the last one
bool taking_back(const OperationRecord& record);                            // it had begun to be taken back
// Unfinished, or ended with something that stands and was not seen: partial, unknown, unverified.
bool needs_attention(const OperationRecord& record);
std::string fields_summary(const Step& step); // "enabled true → false"

} // namespace conduit::ops
