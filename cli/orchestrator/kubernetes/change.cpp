// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/change.hpp"

#include "cli/orchestrator/kubernetes/rollout_wait.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

namespace conduit::kubernetes {
namespace {

constexpr std::size_t k_keys = 10;
constexpr std::string_view k_operations = "conduit.dev/operations";
constexpr std::string_view k_restarted =
    "kubectl.kubernetes.io/restartedAt"; // kubectl's own, so that both agree

// Each "KEY", or "KEY=UID,UID" of the pods that it replaces.
std::vector<std::string> entries_of(const Json& workload)
{
    return split(json_string_or(member(member(workload, "metadata"), "annotations"), k_operations, ""), ' ');
}

std::string uid_of(const Json& pod)
{
    return json_string_or(member(pod, "metadata"), "uid", "");
}

std::set<std::string> pod_names(const std::vector<JsonBox>& pods)
{
    std::set<std::string> names;
    for (const auto& pod : pods)
        names.insert(name_of(*pod));
    return names;
}

void tell_difference(const std::set<std::string>& before, const std::set<std::string>& after,
                     OrchestratorChange& out)
{
    std::ranges::set_difference(after, before, std::back_inserter(out.started));
    std::ranges::set_difference(before, after, std::back_inserter(out.ended));
}

// Waits, and lists which pods are new and which are gone.
Result<> finish(WorkloadApi& workloads, const std::string& path, const Json& workload,
                const std::set<std::string>& before, const ChangeProgress& progress, Deadline deadline,
                OrchestratorChange& out)
{
    TRY(wait_for_rollout(workloads, path, progress, deadline));
    TRY_ASSIGN(const auto after, workloads.pods_of(workload, deadline));
    std::set<std::string> living;
    for (const auto& pod : after)
        if (instance_of(*pod).state != InstanceState::draining)
            living.insert(name_of(*pod));
    tell_difference(before, living, out);
    return {};
}

Result<OrchestratorChange> restart_all(WorkloadApi& workloads, const Found& found,
                                       const RestartRequest& request, const ChangeProgress& progress,
                                       Deadline deadline)
{
    TRY_ASSIGN(const auto pods, workloads.pods_of(*found.object, deadline));
    bool repeated = false;
    const auto now = format_time(workloads.api().clock().now());
    TRY_ASSIGN(const auto written,
               workloads.update(
                   found.path,
                   [&](const Json& object) -> Result<Json> {
                       repeated = was_done(object, request.key);
                       if (repeated)
                           return Json();
                       Json patch{{"metadata", {{"annotations", with_key(object, request.key)}}}};
                       patch["spec"]["template"]["metadata"]["annotations"][k_restarted] = now;
                       return patch;
                   },
                   request.on_sent, deadline));
    OrchestratorChange out{.changed = true, .finished = request.wait};
    if (request.wait)
        TRY(finish(workloads, found.path, *written, repeated ? std::set<std::string>{} : pod_names(pods),
                   progress, deadline, out));
    return out;
}

// Is another number to be remembered than is? stale: it is not what it was.
Result<bool> changes_memory(const Json& object, const ScaleRequest& request, bool repeated)
{
    if (!request.remember || repeated)
        return false;
    const auto now = workload_of(object).remembered;
    if (now != request.remember->expected)
        return fail(ErrorKind::stale,
                    fmt::format("another number of replicas of {} is remembered now", request.workload));
    return now != request.remember->replicas;
}

// One after the other, each only when as many are ready as are wanted; the budget has the last word.
Result<OrchestratorChange> restart_some(WorkloadApi& workloads, const Found& found,
                                        const RestartRequest& request, const ChangeProgress& progress,
                                        Deadline deadline)
{
    TRY_ASSIGN(const auto pods, workloads.pods_of(*found.object, deadline));
    const auto known = pod_names(pods);
    for (const auto& name : request.instances) // what a repeated key has replaced is gone
        if (!known.contains(name) && !was_done(*found.object, request.key))
            return fail(ErrorKind::not_found,
                        unknown_name("instance", name, std::vector<std::string>(known.begin(), known.end())),
                        "See: conduitctl ps");
    std::vector<std::string> uids;
    for (const auto& pod : pods)
        if (std::ranges::count(request.instances, name_of(*pod)) > 0)
            uids.push_back(uid_of(*pod));
    const auto entry = fmt::format("{}={}", request.key, join(uids, ","));
    TRY_ASSIGN(const auto marked,
               workloads.update(
                   found.path,
                   [&](const Json& object) -> Result<Json> {
                       if (was_done(object, request.key))
                           return Json();
                       return Json{{"metadata", {{"annotations", with_key(object, entry)}}}};
                   },
                   request.on_sent, deadline));
    const auto wanted = replaced_by(*marked, request.key); // of the first time, when the key comes again
    OrchestratorChange out{.changed = true};
    for (const auto& pod : pods) {
        if (std::ranges::find(wanted, uid_of(*pod)) == wanted.end())
            continue;
        if (auto evicted = workloads.evict(*pod, request.drain, deadline); !evicted) {
            if (!out.ended.empty())
                evicted.error().kind = ErrorKind::partial;
            return std::move(evicted).error();
        }
        out.ended.push_back(name_of(*pod));
        TRY(wait_for_rollout(workloads, found.path, progress, deadline));
    }
    out.ended.clear();
    TRY(finish(workloads, found.path, *found.object, known, progress, deadline, out));
    return out;
}

} // namespace

bool was_done(const Json& workload, std::string_view key)
{
    return !key.empty() && std::ranges::any_of(entries_of(workload), [&](const std::string& entry) {
        return std::string_view(entry).substr(0, entry.find('=')) == key;
    });
}

std::vector<std::string> replaced_by(const Json& workload, std::string_view key)
{
    for (const auto& entry : entries_of(workload))
        if (const auto at = entry.find('='); at != std::string::npos && entry.substr(0, at) == key)
            return split(entry.substr(at + 1), ',');
    return {};
}

Result<bool> is_finished(WorkloadApi& workloads, const Json& workload, std::string_view key,
                         Deadline deadline)
{
    if (!rollout_of(workload).done)
        return false;
    const auto replaced = replaced_by(workload, key);
    if (replaced.empty())
        return true;
    TRY_ASSIGN(const auto pods, workloads.pods_of(workload, deadline));
    return std::ranges::none_of(
        pods, [&](const JsonBox& pod) { return std::ranges::count(replaced, uid_of(*pod)) > 0; });
}

Json with_key(const Json& workload, std::string_view key)
{
    auto keys = entries_of(workload);
    keys.emplace_back(key);
    if (keys.size() > k_keys)
        keys.erase(keys.begin(), keys.end() - k_keys);
    return Json{{k_operations, join(keys, " ")}};
}

Result<OrchestratorChange> scale(WorkloadApi& workloads, const ScaleRequest& request,
                                 const ChangeProgress& progress, Deadline deadline)
{
    TRY_ASSIGN(const auto found, workloads.find(request.workload, deadline));
    if (!workload_of(*found.object).scalable)
        return fail(ErrorKind::usage, fmt::format("workload {} is not scalable", request.workload),
                    "A DaemonSet has one instance on each node.");
    TRY_ASSIGN(const auto pods, workloads.pods_of(*found.object, deadline));
    OrchestratorChange out{.finished = request.wait};
    bool repeated = false;
    TRY_ASSIGN(const auto written,
               workloads.update(
                   found.path,
                   [&](const Json& object) -> Result<Json> {
                       repeated = was_done(object, request.key);
                       const int now = workload_of(object).wanted;
                       if (!repeated && request.expected && *request.expected != now)
                           return fail(ErrorKind::stale,
                                       fmt::format("{} replicas of {} are wanted now, not {}", now,
                                                   request.workload, *request.expected));
                       TRY_ASSIGN(const bool remembers, changes_memory(object, request, repeated));
                       out.changed = repeated || remembers || now != request.replicas;
                       if (repeated || !out.changed)
                           return Json();
                       Json patch{{"metadata", {{"annotations", with_key(object, request.key)}}},
                                  {"spec", {{"replicas", request.replicas}}}};
                       if (remembers)
                           patch["metadata"]["annotations"][k_remembered] =
                               request.remember->replicas ? Json(std::to_string(*request.remember->replicas))
                                                          : Json();
                       return patch;
                   },
                   request.on_sent, deadline));
    if (request.wait)
        TRY(finish(workloads, found.path, *written, pod_names(pods), progress, deadline, out));
    return out;
}

Result<OrchestratorChange> restart(WorkloadApi& workloads, const RestartRequest& request,
                                   const ChangeProgress& progress, Deadline deadline)
{
    TRY_ASSIGN(const auto found, workloads.find(request.workload, deadline));
    return request.instances.empty() ? restart_all(workloads, found, request, progress, deadline)
                                     : restart_some(workloads, found, request, progress, deadline);
}

} // namespace conduit::kubernetes
