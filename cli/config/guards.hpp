// SPDX-License-Identifier: Apache-2.0
// What a context allows: read here from the configuration, asked by cli/ops/guard.hpp.
#pragma once

#include "core/clock.hpp"
#include "core/json.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace conduit {

class Fields;

struct FreezeWindow { // nothing is changed from (inclusive) to (exclusive)
    WallTime from;
    WallTime to;
    std::string reason;
};

struct GuardConfig {
    bool protected_context = false; // "protected"
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
void read_guards(Fields& parent, GuardConfig& guards);
Json guards_json(const GuardConfig& guards); // as it would be written

} // namespace conduit
