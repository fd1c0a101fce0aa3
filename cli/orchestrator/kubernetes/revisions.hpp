// SPDX-License-Identifier: Apache-2.0
// The templates that a cluster keeps of a workload: ReplicaSets of a Deployment, ControllerRevisions of the
// others.
#pragma once

#include "cli/orchestrator/kubernetes/workload_api.hpp"
#include "cli/orchestrator/releases.hpp"

namespace conduit::kubernetes {

struct KeptTemplate {
    std::string name; // of the ReplicaSet or ControllerRevision
    std::string hash; // what its pods are labelled with
    std::int64_t number = 0;
    JsonBox pods; // as spec.template of the workload
    std::optional<WallTime> made_at;
    std::string cause;
    int replicas = 0;
};

// Ascending by number.
Result<std::vector<KeptTemplate>> kept_templates(WorkloadApi& workloads, const Found& found,
                                                 Deadline deadline);
// The one that the workload's template is; null while the controller has not made it yet.
const KeptTemplate* current_template(const std::vector<KeptTemplate>& kept, const Json& workload);
// Of the pod; "" when it has none.
std::string template_hash(const Json& pod);

Result<std::vector<Revision>> revisions(WorkloadApi& workloads, const std::string& name, Deadline deadline);
Result<RolloutStatus> rollout_status(WorkloadApi& workloads, const std::string& name, Deadline deadline);

std::string kind_of(const Found& found);             // "Deployment"
std::string digest_of(const Json& container_status); // "sha256:..."; "" while nothing runs

} // namespace conduit::kubernetes
