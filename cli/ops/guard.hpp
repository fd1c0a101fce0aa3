// SPDX-License-Identifier: Apache-2.0
// Guards: one budget a context for all verbs, asked before the confirmation and again under the lock.
#pragma once

#include "cli/config/guards.hpp"
#include "cli/ops/facts.hpp"
#include "cli/ops/plan.hpp"

#include <optional>
#include <vector>

namespace conduit::ops {

// One verdict for each guard that has something to say on this plan. A change that makes things better than
// they are is never stopped because they are still not good.
std::vector<GuardVerdict> evaluate_guards(const GuardConfig& config, const Plan& plan, const Facts& facts,
                                          WallTime now);
// refused, for the first guard that said no; nullopt: none did.
std::optional<Error> guard_refusal(const std::vector<GuardVerdict>& verdicts);

} // namespace conduit::ops
