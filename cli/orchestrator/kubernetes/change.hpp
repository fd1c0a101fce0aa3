// SPDX-License-Identifier: Apache-2.0
// Changes of workloads: written once a key, and waited for until they are true or cannot become so.
#pragma once

#include "cli/orchestrator/kubernetes/workload_api.hpp"

namespace conduit::kubernetes {

// The last changes' keys are kept in an annotation of the workload, written together with the change itself.
bool was_done(const Json& workload, std::string_view key);
// The uids of the pods that the change with this key replaces one by one; none when it replaces all by the
// template.
std::vector<std::string> replaced_by(const Json& workload, std::string_view key);
// Written is not done: the rollout is over, and of the pods to be replaced none lives.
Result<bool> is_finished(WorkloadApi& workloads, const Json& workload, std::string_view key,
                         Deadline deadline);
Json with_key(const Json& workload, std::string_view key); // {"conduit.dev/operations": "..."}

Result<OrchestratorChange> scale(WorkloadApi& workloads, const ScaleRequest& request,
                                 const ChangeProgress& progress, Deadline deadline);
Result<OrchestratorChange> restart(WorkloadApi& workloads, const RestartRequest& request,
                                   const ChangeProgress& progress, Deadline deadline);

} // namespace conduit::kubernetes
