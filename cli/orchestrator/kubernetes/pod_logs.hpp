// SPDX-License-Identifier: Apache-2.0
// Lines of many pods, in the order of their times; followed over restarts of containers and into pods that
// come later.
#pragma once

#include "cli/orchestrator/kubernetes/workload_api.hpp"

namespace conduit::kubernetes {

// not_found for an instance or workload that is not there; usage for an expression that is none.
Result<> pod_logs(WorkloadApi& workloads, const LogQuery& query, const LogSink& sink, const Cancel& cancel,
                  Deadline deadline);

} // namespace conduit::kubernetes
