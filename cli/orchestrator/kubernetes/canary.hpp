// SPDX-License-Identifier: Apache-2.0
// Argo Rollouts: found by name beside Deployments, and steered through their status as their own plugin does.
#pragma once

#include "cli/orchestrator/kubernetes/workload_api.hpp"

#include <optional>

namespace conduit::kubernetes {

Result<bool> rollouts_served(WorkloadApi& workloads, Deadline deadline); // has the cluster their CRD?
// nullopt: there is none of this name, or the cluster does not know them.
Result<std::optional<Found>> find_rollout(WorkloadApi& workloads, const std::string& name, Deadline deadline);
// The object whose template makes the pods of `name`: its Rollout, else the workload itself.
Result<Found> find_release(WorkloadApi& workloads, const std::string& name, Deadline deadline);

Result<JsonBox> canary_status(WorkloadApi& workloads, const std::string& name, Deadline deadline);
// action: "promote" goes on behind the pause, "full" skips all steps, "abort" gives all traffic to the stable
// version.
Result<> steer_canary(WorkloadApi& workloads, const std::string& name, std::string_view action,
                      const std::string& key, const std::function<void()>& on_sent, Deadline deadline);
// A key is written before what it stands for: the action happened when the Rollout shows both.
Result<bool> was_steered(WorkloadApi& workloads, const std::string& name, std::string_view action,
                         const std::string& key, Deadline deadline);
// Also "start": the new version is at its first step, or serves.
Result<> settle_canary(WorkloadApi& workloads, const std::string& name, std::string_view action,
                       const ChangeProgress& progress, Deadline deadline);

} // namespace conduit::kubernetes
