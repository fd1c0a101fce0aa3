// SPDX-License-Identifier: Apache-2.0
// HorizontalPodAutoscalers in whichever version the cluster serves: autoscaling/v2, v2beta2 or v1.
#pragma once

#include "cli/orchestrator/kubernetes/workload_api.hpp"
#include "cli/orchestrator/releases.hpp"

namespace conduit::kubernetes {

// Of one, or of all when the name is empty.
Result<std::string> autoscaler_path(WorkloadApi& workloads, const std::string& name, Deadline deadline);
Result<std::vector<Autoscaler>> autoscalers(WorkloadApi& workloads, Deadline deadline);
Autoscaler autoscaler_of(const Json& object);
Result<JsonBox> new_autoscaler(WorkloadApi& workloads, const Found& workload, int min, int max,
                               std::optional<int> cpu, Deadline deadline);

} // namespace conduit::kubernetes
