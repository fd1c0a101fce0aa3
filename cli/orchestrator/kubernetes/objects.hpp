// SPDX-License-Identifier: Apache-2.0
// What the objects of the API say, in the field's words. Pure: documents in, values out.
#pragma once

#include "cli/orchestrator/orchestrator.hpp"
#include "core/json.hpp"

#include <optional>
#include <string>

namespace conduit::kubernetes {

inline constexpr auto k_remembered = "conduit.dev/remembered-replicas"; // of what was stopped

// A pod. Its workload is the controller above its ReplicaSet; "" when nothing owns it.
Instance instance_of(const Json& pod);
// A Deployment, a StatefulSet or a DaemonSet.
Workload workload_of(const Json& object);

// Why a pod will not become ready by itself, as soon as it is known: "ImagePullBackOff: ...",
// "CrashLoopBackOff: exit 137 (OOMKilled)", "Unschedulable: ...", "CreateContainerConfigError: ...". nullopt:
// nothing speaks against it.
std::optional<std::string> stuck_reason(const Json& pod);

// Has the controller seen the last change, and done all of it?
struct RolloutState {
    bool observed = false; // status speaks of this generation
    bool done =
        false; // observed, every replica is of the new template and available, none of an old one is left
    int wanted = 0, updated = 0, available = 0, total = 0;
    std::string failure; // ProgressDeadlineExceeded, or why replicas cannot be created (quota); "" for none
};
RolloutState rollout_of(const Json& object);

const Json& member(const Json& object, std::string_view key);  // an empty object when it is absent
const Json& list_of(const Json& object, std::string_view key); // an empty list when it is absent
std::string name_of(const Json& object);                       // metadata.name

} // namespace conduit::kubernetes
