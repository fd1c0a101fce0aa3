// SPDX-License-Identifier: Apache-2.0
// Room: on nodes, in quotas, in disruption budgets.
#pragma once

#include "cli/orchestrator/kubernetes/workload_api.hpp"
#include "cli/orchestrator/releases.hpp"

namespace conduit::kubernetes {

std::vector<ContainerResources> resources_of(const Json& pod_spec);

struct Need {
    double cpu = 0;    // cores
    double memory = 0; // bytes
};
// What the scheduler reserves for a pod. A limit without a request is its request.
Need need_of(const std::vector<ContainerResources>& resources);

ReleaseCheck check_nodes(WorkloadApi& workloads, const Json& workload,
                         const std::vector<ContainerResources>& resources, Deadline deadline);
// Is there room in every quota for so many pods more?
ReleaseCheck check_quota(WorkloadApi& workloads, const Json& workload, int pods, Deadline deadline);
ReleaseCheck check_budget(WorkloadApi& workloads, const Json& workload, Deadline deadline);
bool selects(const Json& selector, const Json& labels); // a LabelSelector; an empty one selects all

Result<std::vector<ReleaseCheck>> precheck(WorkloadApi& workloads, const std::string& name,
                                           Deadline deadline);

} // namespace conduit::kubernetes
