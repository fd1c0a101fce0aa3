// SPDX-License-Identifier: Apache-2.0
// What pods use: of the metrics API where there is one, else of the kubelets' own summaries.
#pragma once

#include "cli/orchestrator/kubernetes/workload_api.hpp"

namespace conduit::kubernetes {

// Pods of which nothing is known yet are left out; unknown when nothing is known of any.
Result<std::vector<Usage>> pod_usage(WorkloadApi& workloads, const std::vector<JsonBox>& pods,
                                     Deadline deadline);

// "250m" is 0.25, "1500000n" 0.0015; "64Mi" 67108864. nullopt for what is no quantity. Exposed for tests.
std::optional<double> quantity(std::string_view text);

} // namespace conduit::kubernetes
