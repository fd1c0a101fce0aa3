// SPDX-License-Identifier: Apache-2.0
// Events in both of their forms: with first and last times and a count, and with an event time and a series.
#pragma once

#include "cli/orchestrator/kubernetes/workload_api.hpp"
#include "cli/orchestrator/releases.hpp"

namespace conduit::kubernetes {

ReleaseEvent event_of(const Json& event);
// object: a name, or the beginning of one up to a dash (a workload's pods and ReplicaSets); "": all. Oldest
// first.
Result<std::vector<ReleaseEvent>> events(WorkloadApi& workloads, const std::string& object,
                                         Deadline deadline);

} // namespace conduit::kubernetes
