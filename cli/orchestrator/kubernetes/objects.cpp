// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/objects.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::kubernetes {
namespace {

int whole(const Json& object, std::string_view key, int otherwise = 0)
{
    return static_cast<int>(json_number_or(object, key, otherwise));
}

// The condition of this type; an empty object when there is none.
const Json& condition(const Json& status, std::string_view type)
{
    static const Json k_none = Json::object();
    for (const auto& one : list_of(status, "conditions"))
        if (json_string_or(one, "type", "") == type)
            return one;
    return k_none;
}

bool holds(const Json& status, std::string_view type)
{
    return json_string_or(condition(status, type), "status", "") == "True";
}

// "agent-7d9f8c6b5" of the ReplicaSet with template hash 7d9f8c6b5 is the Deployment "agent".
std::string owner_of(const Json& meta)
{
    for (const auto& owner : list_of(meta, "ownerReferences")) {
        if (!json_bool_or(owner, "controller", false))
            continue;
        auto name = json_string_or(owner, "name", "");
        const auto& labels = member(meta, "labels");
        const auto hash = "-" + json_string_or(labels, "pod-template-hash",
                                               json_string_or(labels, "rollouts-pod-template-hash", ""));
        if (json_string_or(owner, "kind", "") == "ReplicaSet" && hash.size() > 1 && name.ends_with(hash))
            name.resize(name.size() - hash.size());
        return name;
    }
    return {};
}

std::string revision_of(const Json& labels)
{
    const auto hash = json_string_or(labels, "pod-template-hash", "");
    return hash.empty() ? json_string_or(labels, "controller-revision-hash", "") : hash;
}

std::optional<LastExit> last_exit(const Json& container)
{
    for (const auto* state : {"state", "lastState"}) {
        const auto& ended = member(member(container, state), "terminated");
        if (ended.empty())
            continue;
        const auto at = parse_time(json_string_or(ended, "finishedAt", ""));
        return LastExit{whole(ended, "exitCode"), at.value_or(WallTime{})};
    }
    return std::nullopt;
}

bool waits_for(const Json& container, std::string_view reason)
{
    return json_string_or(member(member(container, "state"), "waiting"), "reason", "") == reason;
}

InstanceState state_of(const Json& pod, bool ready)
{
    const auto& status = member(pod, "status");
    const auto phase = json_string_or(status, "phase", "");
    if (phase == "Succeeded" || phase == "Failed")
        return InstanceState::exited;
    if (json_find(member(pod, "metadata"), "deletionTimestamp") != nullptr)
        return InstanceState::draining;
    for (const auto* list : {"containerStatuses", "initContainerStatuses"})
        for (const auto& container : list_of(status, list))
            if (waits_for(container, "CrashLoopBackOff"))
                return InstanceState::crash_loop;
    if (ready)
        return InstanceState::ready;
    return phase == "Running" ? InstanceState::not_ready : InstanceState::starting;
}

// Reasons that no amount of waiting mends.
constexpr std::array<std::string_view, 8> k_stuck{
    "CrashLoopBackOff",  "ImagePullBackOff",           "ErrImagePull",         "InvalidImageName",
    "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"};

// Argo Rollouts write it as a text.
double observed_generation(const Json& status)
{
    const auto text = json_string_or(status, "observedGeneration", "");
    double number = json_number_or(status, "observedGeneration", 0);
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

std::string ended_text(const Json& container)
{
    const auto& ended = member(member(container, "lastState"), "terminated");
    if (ended.empty())
        return {};
    const auto reason = json_string_or(ended, "reason", "");
    return fmt::format("exit {}{}", whole(ended, "exitCode"),
                       reason.empty() || reason == "Error" ? "" : fmt::format(" ({})", printable(reason)));
}

std::optional<std::string> stuck_container(const Json& container)
{
    const auto& waiting = member(member(container, "state"), "waiting");
    const auto reason = json_string_or(waiting, "reason", "");
    if (std::ranges::find(k_stuck, reason) == k_stuck.end())
        return std::nullopt;
    auto detail = reason == "CrashLoopBackOff" ? ended_text(container) : std::string();
    if (detail.empty())
        detail = printable(json_string_or(waiting, "message", ""));
    const auto name = printable(json_string_or(container, "name", ""));
    return fmt::format("container {}: {}{}{}", name, reason, detail.empty() ? "" : ": ", detail);
}

} // namespace

const Json& list_of(const Json& object, std::string_view key)
{
    static const Json k_none = Json::array();
    const auto* value = json_find(object, key);
    return value != nullptr && value->is_array() ? *value : k_none;
}

std::string name_of(const Json& object)
{
    return json_string_or(member(object, "metadata"), "name", "");
}

const Json& member(const Json& object, std::string_view key)
{
    static const Json k_none = Json::object();
    const auto* value = json_find(object, key);
    return value != nullptr && value->is_object() ? *value : k_none;
}

Instance instance_of(const Json& pod)
{
    const auto& meta = member(pod, "metadata");
    const auto& status = member(pod, "status");
    Instance out;
    out.name = json_string_or(meta, "name", "");
    out.workload = owner_of(meta);
    out.ref = json_string_or(meta, "uid", "");
    out.revision = revision_of(member(meta, "labels"));
    out.ready = holds(status, "Ready") && json_find(meta, "deletionTimestamp") == nullptr;
    out.state = state_of(pod, out.ready);
    for (const auto& container : list_of(status, "containerStatuses")) {
        out.restarts += static_cast<std::uint32_t>(std::max(0, whole(container, "restartCount")));
        if (const auto ended = last_exit(container);
            ended && (!out.last_exit || ended->at > out.last_exit->at))
            out.last_exit = ended;
    }
    if (const auto at = parse_time(json_string_or(status, "startTime", "")))
        out.started_at = *at;
    if (!out.ready)
        if (const auto at = parse_time(json_string_or(condition(status, "Ready"), "lastTransitionTime", "")))
            out.unready_since = *at;
    if (!out.ready && out.state != InstanceState::draining)
        out.problem = stuck_reason(pod).value_or("");
    return out;
}

Workload workload_of(const Json& object)
{
    const auto& status = member(object, "status");
    Workload out;
    out.name = json_string_or(member(object, "metadata"), "name", "");
    out.scalable = json_find(status, "desiredNumberScheduled") == nullptr;
    if (out.scalable) {
        out.wanted = whole(member(object, "spec"), "replicas", 1);
        out.ready = whole(status, "readyReplicas");
        out.running = whole(status, "replicas");
        out.remembers = true;
        const auto kept = json_string_or(member(member(object, "metadata"), "annotations"), k_remembered, "");
        if (int number = 0; std::from_chars(kept.data(), kept.data() + kept.size(), number).ec == std::errc{})
            out.remembered = number;
    } else { // a DaemonSet
        out.wanted = whole(status, "desiredNumberScheduled");
        out.ready = whole(status, "numberReady");
        out.running = whole(status, "currentNumberScheduled");
    }
    return out;
}

std::optional<std::string> stuck_reason(const Json& pod)
{
    const auto& status = member(pod, "status");
    for (const auto* list : {"initContainerStatuses", "containerStatuses"})
        for (const auto& container : list_of(status, list))
            if (auto reason = stuck_container(container))
                return reason;
    const auto& scheduled = condition(status, "PodScheduled");
    if (json_string_or(scheduled, "reason", "") == "Unschedulable")
        return "Unschedulable: " + printable(json_string_or(scheduled, "message", ""));
    if (json_string_or(status, "phase", "") == "Failed")
        return fmt::format("Failed: {}", printable(json_string_or(status, "reason", "it ended")));
    return std::nullopt;
}

RolloutState rollout_of(const Json& object)
{
    const auto& meta = member(object, "metadata");
    const auto& status = member(object, "status");
    RolloutState out;
    out.observed = observed_generation(status) >= json_number_or(meta, "generation", 0);
    if (json_find(status, "desiredNumberScheduled") != nullptr) { // a DaemonSet
        out.wanted = whole(status, "desiredNumberScheduled");
        out.updated = whole(status, "updatedNumberScheduled");
        out.available = whole(status, "numberAvailable");
        out.total = out.wanted;
    } else {
        out.wanted = whole(member(object, "spec"), "replicas", 1);
        out.updated = whole(status, "updatedReplicas");
        out.available = whole(status, "availableReplicas", whole(status, "readyReplicas"));
        out.total = whole(status, "replicas");
    }
    out.done =
        out.observed && out.updated == out.wanted && out.available == out.wanted && out.total == out.wanted;
    const auto& progress = condition(status, "Progressing");
    if (json_string_or(progress, "reason", "") == "ProgressDeadlineExceeded")
        out.failure = "ProgressDeadlineExceeded: " + printable(json_string_or(progress, "message", ""));
    if (holds(status, "ReplicaFailure")) {
        const auto& failed = condition(status, "ReplicaFailure");
        out.failure = fmt::format("{}: {}", printable(json_string_or(failed, "reason", "")),
                                  printable(json_string_or(failed, "message", "")));
    }
    return out;
}

} // namespace conduit::kubernetes
