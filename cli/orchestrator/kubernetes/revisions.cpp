// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/revisions.hpp"

#include "cli/orchestrator/kubernetes/canary.hpp"
#include "cli/orchestrator/kubernetes/workload_settings.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::kubernetes {
namespace {

constexpr std::string_view k_revision = "deployment.kubernetes.io/revision";
constexpr std::string_view k_cause = "kubernetes.io/change-cause";
constexpr std::string_view k_hash = "pod-template-hash";

bool owned_by(const Json& object, const Json& owner)
{
    const auto uid = json_string_or(member(owner, "metadata"), "uid", "");
    return std::ranges::any_of(list_of(member(object, "metadata"), "ownerReferences"), [&](const Json& one) {
        return !uid.empty() && json_string_or(one, "uid", "") == uid;
    });
}

std::int64_t number_of(const std::string& text)
{
    std::int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

std::optional<WallTime> made_at(const Json& object)
{
    const auto at = parse_time(json_string_or(member(object, "metadata"), "creationTimestamp", ""));
    return at ? std::optional(*at) : std::nullopt;
}

KeptTemplate of_replica_set(const Json& set)
{
    const auto& meta = member(set, "metadata");
    const auto& annotations = member(meta, "annotations");
    KeptTemplate out{.name = name_of(set),
                     .hash = json_string_or(member(meta, "labels"), k_hash, ""),
                     .number = number_of(json_string_or(annotations, k_revision, "")),
                     .pods = member(member(set, "spec"), "template"),
                     .made_at = made_at(set),
                     .cause = printable(json_string_or(annotations, k_cause, "")),
                     .replicas = static_cast<int>(json_number_or(member(set, "status"), "replicas", 0))};
    auto& labels = (*out.pods)["metadata"]["labels"];
    if (labels.is_object())
        labels.erase(std::string(k_hash));
    return out;
}

KeptTemplate of_controller_revision(const Json& revision)
{
    KeptTemplate out{
        .name = name_of(revision),
        .hash =
            json_string_or(member(member(revision, "metadata"), "labels"), "controller-revision-hash", ""),
        .number = static_cast<std::int64_t>(json_number_or(revision, "revision", 0)),
        .pods = member(member(member(revision, "data"), "spec"), "template"),
        .made_at = made_at(revision),
        .cause = printable(json_string_or(member(member(revision, "metadata"), "annotations"), k_cause, ""))};
    out.pods->erase("$patch");
    return out;
}

bool is_of(const KeptTemplate& kept, const Json& pod)
{
    const auto hash = template_hash(pod);
    return !hash.empty() && (hash == kept.hash || hash == kept.name);
}

void add_running(const Json& pod, bool current, std::vector<ImageInUse>& out)
{
    for (const auto& status : list_of(member(pod, "status"), "containerStatuses"))
        out.push_back({name_of(pod), json_string_or(status, "name", ""),
                       printable(json_string_or(status, "image", "")), digest_of(status), current});
}

std::string state_of(const RolloutState& state, bool paused, bool stuck)
{
    if (stuck || !state.failure.empty())
        return "stuck";
    if (state.done)
        return "complete";
    return paused ? "paused" : "progressing";
}

} // namespace

std::string kind_of(const Found& found)
{
    for (const auto& [plural, kind] : {std::pair{"/deployments/", "Deployment"},
                                       {"/statefulsets/", "StatefulSet"},
                                       {"/daemonsets/", "DaemonSet"},
                                       {"/rollouts/", "Rollout"}})
        if (found.path.contains(plural))
            return kind;
    return "workload";
}

std::string template_hash(const Json& pod)
{
    const auto& labels = member(member(pod, "metadata"), "labels");
    for (const auto* key : {"pod-template-hash", "rollouts-pod-template-hash", "controller-revision-hash"})
        if (auto hash = json_string_or(labels, key, ""); !hash.empty())
            return hash;
    return {};
}

// "docker-pullable://registry/app@sha256:..."; an image that was loaded into the node has the digest alone.
std::string digest_of(const Json& container_status)
{
    const auto id = printable(json_string_or(container_status, "imageID", ""));
    const auto at = id.rfind("sha256:");
    return at == std::string::npos ? std::string() : id.substr(at);
}

Result<std::vector<KeptTemplate>> kept_templates(WorkloadApi& workloads, const Found& found,
                                                 Deadline deadline)
{
    const auto kind = kind_of(found);
    const bool sets = kind == "Deployment" || kind == "Rollout";
    const kube::Resource resource{.group = "apps", .plural = sets ? "replicasets" : "controllerrevisions"};
    std::vector<KeptTemplate> out;
    TRY(workloads.api().list(
        kube::resource_path(resource, workloads.name_space()), {},
        [&](const Json& item) {
            if (owned_by(item, *found.object))
                out.push_back(sets ? of_replica_set(item) : of_controller_revision(item));
        },
        [&] { out.clear(); }, deadline));
    std::ranges::sort(out, {}, &KeptTemplate::number);
    return out;
}

const KeptTemplate* current_template(const std::vector<KeptTemplate>& kept, const Json& workload)
{
    const auto update = json_string_or(member(workload, "status"), "updateRevision", ""); // a StatefulSet
    const auto wanted = canonical_json(member(member(workload, "spec"), "template"));
    for (auto one = kept.rbegin(); one != kept.rend(); ++one)
        if (update.empty() ? canonical_json(*one->pods) == wanted : one->name == update)
            return &*one;
    return nullptr;
}

Result<std::vector<Revision>> revisions(WorkloadApi& workloads, const std::string& name, Deadline deadline)
{
    TRY_ASSIGN(const auto found, find_release(workloads, name, deadline));
    TRY_ASSIGN(const auto kept, kept_templates(workloads, found, deadline));
    TRY_ASSIGN(const auto pods, workloads.pods_of(*found.object, deadline));
    const auto* current = current_template(kept, *found.object);
    std::vector<Revision> out;
    for (const auto& one : kept) {
        Revision revision{.number = one.number,
                          .name = one.name,
                          .images = images_of(*one.pods),
                          .made_at = one.made_at,
                          .cause = one.cause,
                          .replicas = one.replicas,
                          .current = &one == current,
                          .pods = one.pods};
        for (const auto& pod : pods)
            if (is_of(one, *pod))
                for (const auto& status : list_of(member(*pod, "status"), "containerStatuses"))
                    if (const auto digest = digest_of(status);
                        !digest.empty() && std::ranges::count(revision.digests, digest) == 0)
                        revision.digests.push_back(digest);
        out.push_back(std::move(revision));
    }
    return out;
}

Result<RolloutStatus> rollout_status(WorkloadApi& workloads, const std::string& name, Deadline deadline)
{
    TRY_ASSIGN(const auto found, find_release(workloads, name, deadline));
    TRY_ASSIGN(const auto kept, kept_templates(workloads, found, deadline));
    TRY_ASSIGN(const auto pods, workloads.pods_of(*found.object, deadline));
    const auto* current = current_template(kept, *found.object);
    const auto state = rollout_of(*found.object);
    RolloutStatus out{.workload = name,
                      .kind = kind_of(found),
                      .wanted = state.wanted,
                      .updated = state.updated,
                      .available = state.available,
                      .total = state.total,
                      .problem = state.failure,
                      .images = images_of(member(member(*found.object, "spec"), "template"))};
    bool stuck = false;
    for (const auto& pod : pods) {
        const bool wanted = current == nullptr || is_of(*current, *pod);
        add_running(*pod, wanted, out.running);
        const auto instance = instance_of(*pod);
        if (wanted && !instance.problem.empty() && !stuck) {
            stuck = true;
            out.problem = fmt::format("{}: {}", instance.name, instance.problem);
        }
    }
    const bool paused = json_bool_or(member(*found.object, "spec"), "paused", false);
    out.state = state_of(state, paused, stuck);
    if (out.problem.empty() && !state.observed)
        out.problem = "the controller has not seen the last change yet";
    return out;
}

} // namespace conduit::kubernetes
