// SPDX-License-Identifier: Apache-2.0
// What an on-call engineer needs to know of one workload or one pod. Values of the environment are left out:
// they may be secrets.
#pragma once

#include "cli/orchestrator/kubernetes/workload_api.hpp"

namespace conduit::kubernetes {

// not_found for a name that is neither.
Result<JsonBox> describe(WorkloadApi& workloads, const std::string& name, Deadline deadline);

} // namespace conduit::kubernetes
