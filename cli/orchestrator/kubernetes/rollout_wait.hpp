// SPDX-License-Identifier: Apache-2.0
// The one wait for a rollout: the workload and its pods are watched, an API server that restarts meanwhile is
// waited for, and what cannot come true ends it at once.
#pragma once

#include "cli/orchestrator/kubernetes/workload_api.hpp"

namespace conduit::kubernetes {

// Until the rollout is done. failed: a pod of the wanted template is stuck, with its reason, its last log
// lines or events in the cause, and at once; unverified: not seen in time.
Result<> wait_for_rollout(WorkloadApi& workloads, const std::string& path, const ChangeProgress& progress,
                          Deadline deadline);

// Why a pod is not ready: its last lines and its last warning; "" when there are none.
std::string last_warning(WorkloadApi& workloads, const std::string& pod); // "Unhealthy: Readiness ..."
std::string last_words(WorkloadApi& workloads, const std::string& pod);

} // namespace conduit::kubernetes
