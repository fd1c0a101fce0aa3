// SPDX-License-Identifier: Apache-2.0
// Guards: one budget a context for all verbs, asked before the confirmation and again under the lock.
#pragma once

#include "cli/ops/facts.hpp"
#include "cli/ops/plan.hpp"
#include "core/yaml.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace conduit::ops {

struct FreezeWindow { // nothing is changed from (inclusive) to (exclusive)
    WallTime from;
    WallTime to;
    std::string reason;
};

struct GuardConfig {
    bool protected_context = false;
    std::optional<int> min_replicas;
    std::optional<int> max_replicas;
    std::optional<double> max_weight_shift; // ratio of all traffic one provider may gain or lose by a weight
    std::optional<std::int64_t> max_delete_count;
    std::optional<double> max_delete_share;
    std::optional<int> min_healthy_providers;
    std::optional<int> min_healthy_instances;
    std::optional<int> max_concurrent; // operations at once on one target, this one included
    std::vector<FreezeWindow> freeze;
};

// guards: {protected: true, min_replicas: 3, max_delete: 10% (or 1000, or [1000, 10%]),
//          freeze: [{from: 2026-12-20T00:00:00Z, to: ..., reason: year end}]}
Result<GuardConfig> parse_guards(const YamlNode& node);

// One verdict for each guard that has something to say on this plan. A change that makes things better than
// they are is never stopped because they are still not good.
std::vector<GuardVerdict> evaluate_guards(const GuardConfig& config, const Plan& plan, const Facts& facts,
                                          WallTime now);
// refused, for the first guard that said no; nullopt: none did.
std::optional<Error> guard_refusal(const std::vector<GuardVerdict>& verdicts);

} // namespace conduit::ops
