// SPDX-License-Identifier: Apache-2.0
// The one way anything is changed: plan, guard, confirm, lock, observe again, guard again, record, do,
// verify, record.
#pragma once

#include "cli/command/report.hpp"
#include "cli/ops/host.hpp"
#include "cli/ops/plan.hpp"
#include "cli/ops/target.hpp"

#include <string_view>

namespace conduit::ops {

// ok: done and seen, or already so ("changed": false). A report with verdict unverified: done, effect not
// seen in time, or --no-wait. Everything else is an error; once the operation is recorded its detail
// "operation" has the id.
Result<Report> run_change(Host& host, const Intent& intent);

// Takes an operation back to what its fields were, from the journal. stale when a field is no longer what the
// operation left; fields it did not write may have changed.
Result<Report> run_undo(Host& host, TargetFinder& targets, std::string_view id);

// Finishes an operation that was cut off, or the taking back it was in the middle of.
Result<Report> run_resume(Host& host, TargetFinder& targets, std::string_view id);

} // namespace conduit::ops
