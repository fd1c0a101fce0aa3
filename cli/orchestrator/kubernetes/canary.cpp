// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/canary.hpp"

#include "cli/orchestrator/kubernetes/change.hpp"
#include "cli/orchestrator/kubernetes/workload_settings.hpp"
#include "core/kube/watch.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::kubernetes {
namespace {

const kube::Resource k_rollouts{.group = "argoproj.io", .version = "v1alpha1", .plural = "rollouts"};

// refused without the CRD, not_found without the object.
Result<Found> need_rollout(WorkloadApi& workloads, const std::string& name, Deadline deadline)
{
    TRY_ASSIGN(const bool served, rollouts_served(workloads, deadline));
    if (!served)
        return fail(
            ErrorKind::refused, "this cluster has no Argo Rollouts (no resource of the group argoproj.io)",
            fmt::format("Roll it out without a canary: conduitctl deploy --workload {} --image REF", name));
    TRY_ASSIGN(auto found, find_rollout(workloads, name, deadline));
    if (found)
        return *std::move(found);
    std::vector<std::string> names;
    TRY(workloads.api().list(
        kube::resource_path(k_rollouts, workloads.name_space()), {},
        [&](const Json& item) { names.push_back(name_of(item)); }, [&] { names.clear(); }, deadline));
    return fail(
        ErrorKind::not_found,
        fmt::format("{} in namespace {}", unknown_name("Rollout", name, names), workloads.name_space()),
        "See: conduitctl ps");
}

bool is_paused(const Json& rollout)
{
    return json_bool_or(member(rollout, "spec"), "paused", false) ||
           !list_of(member(rollout, "status"), "pauseConditions").empty();
}

std::string phase_of(const Json& rollout)
{
    return json_string_or(member(rollout, "status"), "phase", "");
}

std::string step_of(const Json& rollout)
{
    return fmt::format("{}", json_number_or(member(rollout, "status"), "currentStepIndex", 0));
}

// Is what the action with this key asked for in the status? The step that a promotion leaves is kept with its
// key: done twice it would leave two.
bool shows(const Json& rollout, std::string_view action, const std::string& key)
{
    const auto& status = member(rollout, "status");
    if (action == "abort")
        return json_bool_or(status, "abort", false);
    if (action == "full")
        return json_bool_or(status, "promoteFull", false) || phase_of(rollout) == "Healthy";
    const auto left = replaced_by(rollout, key);
    return !is_paused(rollout) || (!left.empty() && left.front() != step_of(rollout));
}

bool is_over(const Json& rollout, std::string_view action)
{
    const auto phase = phase_of(rollout);
    if (!rollout_of(rollout).observed)
        return false;
    if (action == "abort")
        return json_bool_or(member(rollout, "status"), "abort", false) && phase == "Degraded";
    if (action == "full")
        return phase == "Healthy";
    if (action == "promote")
        return !is_paused(rollout) || phase == "Healthy";
    return phase == "Paused" || phase == "Healthy";
}

std::string line_of(const Json& rollout)
{
    const auto& status = member(rollout, "status");
    const auto message = printable(json_string_or(status, "message", ""));
    return fmt::format(
        "{}{}, step {} of {}", printable(phase_of(rollout)),
        message.empty() ? "" : fmt::format(" ({})", message), json_number_or(status, "currentStepIndex", 0),
        list_of(member(member(member(rollout, "spec"), "strategy"), "canary"), "steps").size());
}

} // namespace

Result<bool> rollouts_served(WorkloadApi& workloads, Deadline deadline)
{
    const auto group = workloads.api().get("/apis/argoproj.io", deadline);
    if (!group && group.error().kind != ErrorKind::not_found)
        return group.error();
    return group.has_value();
}

Result<std::optional<Found>> find_rollout(WorkloadApi& workloads, const std::string& name, Deadline deadline)
{
    TRY_ASSIGN(const bool served, rollouts_served(workloads, deadline));
    if (!served)
        return std::optional<Found>{};
    auto path = kube::resource_path(k_rollouts, workloads.name_space(), name);
    auto object = workloads.api().get(path, deadline);
    if (object)
        return std::optional(Found{std::move(path), *std::move(object)});
    if (object.error().kind == ErrorKind::not_found)
        return std::optional<Found>{};
    return std::move(object).error();
}

Result<Found> find_release(WorkloadApi& workloads, const std::string& name, Deadline deadline)
{
    TRY_ASSIGN(auto rollout, find_rollout(workloads, name, deadline));
    if (!rollout)
        return workloads.find(name, deadline);
    const auto& reference = member(member(*rollout->object, "spec"), "workloadRef");
    if (reference.empty())
        return *std::move(rollout);
    return workloads.find(json_string_or(reference, "name", ""), deadline);
}

Result<JsonBox> canary_status(WorkloadApi& workloads, const std::string& name, Deadline deadline)
{
    TRY_ASSIGN(const auto found, need_rollout(workloads, name, deadline));
    const auto& rollout = *found.object;
    const auto& status = member(rollout, "status");
    const auto& canary = member(member(member(rollout, "spec"), "strategy"), "canary");
    Json images = Json::object();
    for (const auto& [container, image] : images_of(member(member(rollout, "spec"), "template")))
        images[container] = image;
    const auto& weights = member(member(member(status, "canary"), "weights"), "canary");
    const auto* weight = json_find(weights, "weight");
    return JsonBox(Json{{"workload", name},
                        {"phase", printable(phase_of(rollout))},
                        {"message", printable(json_string_or(status, "message", ""))},
                        {"step", json_number_or(status, "currentStepIndex", 0)},
                        {"steps", list_of(canary, "steps").size()},
                        {"weight", weight == nullptr ? Json() : *weight}, // null: no router tells
                        {"paused", is_paused(rollout)},
                        {"aborted", json_bool_or(status, "abort", false)},
                        {"observed", rollout_of(rollout).observed},
                        {"stable", json_string_or(status, "stableRS", "")},
                        {"canary", json_string_or(status, "currentPodHash", "")},
                        {"images", std::move(images)}});
}

Result<bool> was_steered(WorkloadApi& workloads, const std::string& name, std::string_view action,
                         const std::string& key, Deadline deadline)
{
    TRY_ASSIGN(const auto found, need_rollout(workloads, name, deadline));
    return was_done(*found.object, key) && shows(*found.object, action, key);
}

Result<> steer_canary(WorkloadApi& workloads, const std::string& name, std::string_view action,
                      const std::string& key, const std::function<void()>& on_sent, Deadline deadline)
{
    TRY_ASSIGN(const auto found, need_rollout(workloads, name, deadline));
    const bool known = was_done(*found.object, key);
    if (known && shows(*found.object, action, key))
        return {};
    if (!known && action == "promote" && !is_paused(*found.object))
        return fail(ErrorKind::refused,
                    fmt::format("the canary of {} waits for nobody: {}", name, line_of(*found.object)),
                    fmt::format("Skip its steps: conduitctl canary promote --workload {} --full", name));
    const auto mark = [&](const Json& now) -> Result<Json> {
        Json patch = Json::object();
        if (!known)
            patch["metadata"]["annotations"] = with_key(now, fmt::format("{}={}", key, step_of(now)));
        if (action == "promote" && json_bool_or(member(now, "spec"), "paused", false))
            patch["spec"]["paused"] = false;
        return patch.empty() ? Json() : patch;
    };
    TRY(workloads.update(found.path, mark, on_sent, deadline));
    Json status = Json::object();
    if (action == "promote")
        status["pauseConditions"] = nullptr;
    else
        status[action == "abort" ? "abort" : "promoteFull"] = true;
    const Json patch{{"status", std::move(status)}};
    auto written = workloads.api().patch(found.path + "/status", kube::PatchType::merge, patch, {}, deadline);
    if (!written && written.error().kind == ErrorKind::not_found) // a CRD without that subresource
        written = workloads.api().patch(found.path, kube::PatchType::merge, patch, {}, deadline);
    if (!written)
        return std::move(written).error();
    return {};
}

Result<> settle_canary(WorkloadApi& workloads, const std::string& name, std::string_view action,
                       const ChangeProgress& progress, Deadline deadline)
{
    const auto folder = kube::resource_path(k_rollouts, workloads.name_space());
    std::string line = "not seen yet";
    std::optional<Error> failed;
    const kube::WatchOptions options{.query = {{"fieldSelector", "metadata.name=" + name}}, .lost = {}};
    auto watched = kube::watch(
        workloads.api(), folder, options,
        [&](const kube::Event& event) {
            if (event.object == nullptr || name_of(*event.object) != name)
                return true;
            line = line_of(*event.object);
            if (progress)
                progress(line);
            if (is_over(*event.object, action))
                return false;
            const bool degraded = phase_of(*event.object) == "Degraded" && rollout_of(*event.object).observed;
            if (degraded && action != "abort")
                failed = Error{ErrorKind::failed, fmt::format("the canary of {} failed: {}", name, line)};
            return !failed.has_value();
        },
        deadline);
    if (failed)
        return *failed;
    if (!watched && watched.error().kind == ErrorKind::unverified)
        return fail(ErrorKind::unverified, fmt::format("{}: {}", name, line),
                    fmt::format("Look again: conduitctl canary status --workload {}", name));
    return watched;
}

} // namespace conduit::kubernetes
