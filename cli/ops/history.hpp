// SPDX-License-Identifier: Apache-2.0
// What the journal says about how far an operation got, and its JSON for the commands of the record.
#pragma once

#include "cli/ops/journal.hpp"
#include "cli/ops/lock.hpp"
#include "cli/ops/reversal.hpp"

namespace conduit::ops {

enum class StepState { untouched, started, done, compensating, compensated };

StepState step_state(const OperationRecord& record, int n);
const Entry* step_entry(const OperationRecord& record, Phase phase, int n); // the last one
bool taking_back(const OperationRecord& record);                            // it had begun to be taken back
// Unfinished, or ended with something that stands and was not seen: partial, unknown, unverified.
bool needs_attention(const OperationRecord& record);
Json operation_json(const OperationRecord& record); // one item of `history ls`
Json entry_json(const Entry& entry);                // one item of `history show`
Json lock_json(const LockInfo& info);               // one item of `lock ls`
Json reversal_json(const Reversal& reversal);       // one item of `history pending`

std::string fields_summary(const Step& step); // "enabled true → false"

} // namespace conduit::ops
