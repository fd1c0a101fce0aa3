// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/capacity.hpp"

#include "cli/orchestrator/kubernetes/autoscalers.hpp"
#include "cli/orchestrator/kubernetes/canary.hpp"
#include "cli/orchestrator/kubernetes/revisions.hpp"
#include "cli/orchestrator/kubernetes/usage.hpp"
#include "cli/orchestrator/kubernetes/workload_settings.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

namespace conduit::kubernetes {
namespace {

using Verdict = ReleaseCheck::Verdict;

std::map<std::string, std::string> quantities(const Json& object)
{
    std::map<std::string, std::string> out;
    for (const auto& [name, value] : object.items())
        out[name] = value.is_string() ? value.get<std::string>() : dump_json(value);
    return out;
}

double reserved(const ContainerResources& container, const std::string& what)
{
    for (const auto* group : {&container.requests, &container.limits})
        if (const auto found = group->find(what); found != group->end())
            return quantity(found->second).value_or(0);
    return 0;
}

struct Node {
    std::string name;
    Need whole, free;
};

std::string amount(const Need& need)
{
    return fmt::format("{:.2f} CPU and {}", need.cpu, human_bytes(static_cast<std::uint64_t>(need.memory)));
}

bool holds(const Need& room, const Need& need)
{
    return room.cpu + 1e-9 >= need.cpu && room.memory + 0.5 >= need.memory;
}

ReleaseCheck unknown(std::string name, const Error& error)
{
    return {std::move(name), Verdict::unknown, error.message, error.hint};
}

Result<std::vector<Node>> read_nodes(WorkloadApi& workloads, Deadline deadline)
{
    std::vector<Node> out;
    TRY(workloads.api().list(
        kube::resource_path({.plural = "nodes", .namespaced = false}, ""), {},
        [&](const Json& node) {
            if (json_bool_or(member(node, "spec"), "unschedulable", false))
                return;
            const auto& has = member(member(node, "status"), "allocatable");
            const Need whole{quantity(json_string_or(has, "cpu", "")).value_or(0),
                             quantity(json_string_or(has, "memory", "")).value_or(0)};
            out.push_back({name_of(node), whole, whole});
        },
        [&] { out.clear(); }, deadline));
    return out;
}

// The workload's own pods are left out: they make room for those that replace them.
Result<> subtract_pods(WorkloadApi& workloads, const Json& workload, std::vector<Node>& nodes,
                       Deadline deadline)
{
    const auto full = nodes;
    const auto subtract = [&](const Json& pod) {
        const auto place = json_string_or(member(pod, "spec"), "nodeName", "");
        const auto space = json_string_or(member(pod, "metadata"), "namespace", workloads.name_space());
        const bool own = space == workloads.name_space() && instance_of(pod).workload == name_of(workload);
        const auto node = std::ranges::find(nodes, place, &Node::name);
        if (node == nodes.end() || own)
            return;
        const auto need = need_of(resources_of(member(pod, "spec")));
        node->free.cpu -= need.cpu;
        node->free.memory -= need.memory;
    };
    TRY(workloads.api().list(
        "/api/v1/pods", {{"fieldSelector", "status.phase!=Succeeded,status.phase!=Failed"}}, subtract,
        [&] { nodes = full; }, deadline));
    return {};
}

double room_for(const Need& free, const Need& need)
{
    double room = 10'000;
    if (need.cpu > 0)
        room = std::min(room, std::floor(free.cpu / need.cpu + 1e-9));
    if (need.memory > 0)
        room = std::min(room, std::floor(free.memory / need.memory + 1e-9));
    return std::max(0.0, room);
}

// What a pod takes of a quota's item; nullopt for an item that pods do not take from.
std::optional<double> taken(const std::string& item, const std::vector<ContainerResources>& resources)
{
    if (item == "pods" || item == "count/pods")
        return 1;
    const auto dot = item.find('.');
    const auto group = dot == std::string::npos ? "requests" : item.substr(0, dot);
    const auto what = dot == std::string::npos ? item : item.substr(dot + 1);
    if ((group != "requests" && group != "limits") || (what != "cpu" && what != "memory"))
        return std::nullopt;
    double sum = 0;
    for (const auto& container : resources) {
        const auto limit = container.limits.find(what);
        if (group == "requests")
            sum += reserved(container, what);
        else if (limit != container.limits.end())
            sum += quantity(limit->second).value_or(0);
    }
    return sum;
}

// Of maxSurge: pods that an update makes beyond those that are wanted.
int surge_of(const Json& workload)
{
    const auto& spec = member(workload, "spec");
    const auto& strategy = member(spec, "strategy");
    if (json_string_or(strategy, "type", "RollingUpdate") != "RollingUpdate" ||
        json_find(spec, "updateStrategy") != nullptr)
        return 0;
    const auto* surge = json_find(member(strategy, "rollingUpdate"), "maxSurge");
    if (surge != nullptr && surge->is_number())
        return surge->get<int>();
    const auto text = surge != nullptr && surge->is_string() ? surge->get<std::string>() : "25%";
    return static_cast<int>(std::ceil(quantity(text.substr(0, text.find('%'))).value_or(25) / 100 *
                                      workload_of(workload).wanted));
}

bool matches_expression(const Json& one, const Json& labels)
{
    const auto how = json_string_or(one, "operator", "");
    const auto* value = json_find(labels, json_string_or(one, "key", ""));
    if (how == "Exists" || how == "DoesNotExist")
        return (value != nullptr) == (how == "Exists");
    const bool among = value != nullptr && std::ranges::any_of(list_of(one, "values"), [&](const Json& each) {
                           return each == *value;
                       });
    return how == "In" ? among : how == "NotIn" && !among;
}

const Json& pod_labels(const Json& workload)
{
    return member(member(member(member(workload, "spec"), "template"), "metadata"), "labels");
}

ReleaseCheck check_autoscaler(WorkloadApi& workloads, const std::string& name, Deadline deadline)
{
    const auto all = autoscalers(workloads, deadline);
    if (!all)
        return all.error().kind == ErrorKind::not_found
                   ? ReleaseCheck{"autoscaler", Verdict::passed, "the cluster has none", {}}
                   : unknown("autoscaler", all.error());
    const auto one = std::ranges::find(*all, name, &Autoscaler::workload);
    if (one == all->end())
        return {"autoscaler", Verdict::passed, "none", {}};
    if (!one->problems.empty())
        return {"autoscaler", Verdict::failed, fmt::format("{}: {}", one->name, join(one->problems, "; ")),
                fmt::format("Look at it: conduitctl autoscale show --workload {}", name)};
    return {"autoscaler",
            Verdict::passed,
            fmt::format("{}: {} of {} to {} replicas", one->name, one->now, one->min, one->max),
            {}};
}

ReleaseCheck check_rollout(const Json& workload, const RolloutState& state)
{
    const auto name = name_of(workload);
    if (json_bool_or(member(workload, "spec"), "paused", false))
        return {"rollout", Verdict::failed, fmt::format("{} is paused", name),
                fmt::format("Let it go on: conduitctl rollout resume --workload {} --yes", name)};
    if (!state.failure.empty())
        return {"rollout", Verdict::failed, state.failure,
                fmt::format("See why: conduitctl describe {}", name)};
    if (!state.done)
        return {"rollout", Verdict::failed,
                state.observed ? fmt::format("{} of {} updated, {} available", state.updated, state.wanted,
                                             state.available)
                               : "the controller has not seen the last change yet",
                fmt::format("Wait for it: conduitctl rollout status --workload {} --wait", name)};
    return {"rollout", Verdict::passed, fmt::format("{} of {} available", state.available, state.wanted), {}};
}

ReleaseCheck check_pods(const std::vector<JsonBox>& pods)
{
    for (const auto& pod : pods) {
        const auto instance = instance_of(*pod);
        if (!instance.problem.empty())
            return {"instances", Verdict::failed, fmt::format("{}: {}", instance.name, instance.problem),
                    fmt::format("See why: conduitctl describe {}", instance.name)};
    }
    const auto ready =
        std::ranges::count_if(pods, [](const JsonBox& pod) { return instance_of(*pod).ready; });
    return {
        "instances", Verdict::passed, fmt::format("{} of {} ready, none is stuck", ready, pods.size()), {}};
}

} // namespace

bool selects(const Json& selector, const Json& labels)
{
    for (const auto& [key, value] : member(selector, "matchLabels").items()) {
        const auto* found = json_find(labels, key);
        if (found == nullptr || *found != value)
            return false;
    }
    return std::ranges::all_of(list_of(selector, "matchExpressions"),
                               [&](const Json& one) { return matches_expression(one, labels); });
}

std::vector<ContainerResources> resources_of(const Json& pod_spec)
{
    std::vector<ContainerResources> out;
    for (const auto& container : list_of(pod_spec, "containers")) {
        const auto& resources = member(container, "resources");
        out.push_back({json_string_or(container, "name", ""), quantities(member(resources, "requests")),
                       quantities(member(resources, "limits"))});
    }
    return out;
}

Need need_of(const std::vector<ContainerResources>& resources)
{
    Need need;
    for (const auto& container : resources) {
        need.cpu += reserved(container, "cpu");
        need.memory += reserved(container, "memory");
    }
    return need;
}

ReleaseCheck check_nodes(WorkloadApi& workloads, const Json& workload,
                         const std::vector<ContainerResources>& resources, Deadline deadline)
{
    auto nodes = read_nodes(workloads, deadline);
    if (!nodes)
        return unknown("nodes", nodes.error());
    const auto need = need_of(resources);
    const auto largest = std::ranges::max_element(*nodes, {}, [](const Node& n) { return n.whole.memory; });
    if (std::ranges::none_of(*nodes, [&](const Node& node) { return holds(node.whole, need); }))
        return {"nodes", Verdict::failed,
                fmt::format("no node can take a pod of {}; {}", amount(need),
                            nodes->empty() ? "there is none"
                                           : fmt::format("the largest, {}, has {}", largest->name,
                                                         amount(largest->whole))),
                "Ask for less, or add a larger node."};
    if (auto counted = subtract_pods(workloads, workload, *nodes, deadline); !counted)
        return unknown("nodes", counted.error());
    double room = 0;
    for (const auto& node : *nodes)
        room += room_for(node.free, need);
    if (need.cpu <= 0 && need.memory <= 0)
        return {"nodes", Verdict::passed, "it reserves nothing, so there is always room", {}};
    const int wanted = workload_of(workload).wanted;
    auto text = fmt::format("room for {} pods of {}", room, amount(need));
    if (room >= wanted)
        return {"nodes", Verdict::passed, std::move(text), {}};
    return {"nodes", Verdict::failed, fmt::format("{}, {} are wanted", text, wanted),
            "Ask for less, run fewer replicas, or add a node."};
}

ReleaseCheck check_quota(WorkloadApi& workloads, const Json& workload, int pods, Deadline deadline)
{
    ReleaseCheck out{"quota", Verdict::passed, "", {}};
    const auto resources = resources_of(member(member(member(workload, "spec"), "template"), "spec"));
    int quotas = 0;
    const auto look = [&](const Json& quota) {
        ++quotas;
        const auto& status = member(quota, "status");
        for (const auto& [item, hard] : quantities(member(status, "hard"))) {
            const auto each = taken(item, resources);
            const auto limit = quantity(hard);
            const auto used = quantity(json_string_or(member(status, "used"), item, "0")).value_or(0);
            if (!each || !limit || used + *each * pods <= *limit + 1e-9)
                continue;
            out.verdict = Verdict::failed;
            out.detail = fmt::format("{} leaves no room for {} more: {} {} of {} used", name_of(quota), pods,
                                     item, json_string_or(member(status, "used"), item, "0"), hard);
            out.hint = "Raise the quota, or let an update take a pod away first: conduitctl rollout "
                       "strategy --max-surge 0 --max-unavailable 1";
        }
    };
    const auto listed = workloads.api().list(
        kube::resource_path({.plural = "resourcequotas"}, workloads.name_space()), {}, look, [] {}, deadline);
    if (!listed)
        return unknown("quota", listed.error());
    if (out.verdict == Verdict::passed)
        out.detail = quotas == 0 ? "none" : fmt::format("room for {} more", pods);
    return out;
}

ReleaseCheck check_budget(WorkloadApi& workloads, const Json& workload, Deadline deadline)
{
    const auto resource = workloads.discovery().prefer(kube::k_policy, "poddisruptionbudgets", deadline);
    if (!resource)
        return unknown("disruption budget", resource.error());
    ReleaseCheck out{"disruption budget", Verdict::passed, "none applies", {}};
    const auto look = [&](const Json& budget) {
        if (!selects(member(member(budget, "spec"), "selector"), pod_labels(workload)))
            return;
        const auto& status = member(budget, "status");
        const auto allowed = json_number_or(status, "disruptionsAllowed", 0);
        const auto text = fmt::format("{} allows {} of {} to be taken away", name_of(budget), allowed,
                                      json_number_or(status, "expectedPods", 0));
        if (out.verdict == Verdict::failed)
            return;
        out.detail = text;
        if (allowed < 1) {
            out.verdict = Verdict::failed;
            out.hint = "Wait until more are ready, or run more replicas: conduitctl scale up";
        }
    };
    const auto path = kube::resource_path(*resource, workloads.name_space());
    const auto listed = workloads.api().list(path, {}, look, [] {}, deadline);
    return listed ? out : unknown("disruption budget", listed.error());
}

// What is there now is the way back of the version that comes: is it kept, and by which image?
ReleaseCheck check_way_back(WorkloadApi& workloads, const Found& found, const std::vector<JsonBox>& pods,
                            Deadline deadline)
{
    ReleaseCheck out{"way back", Verdict::failed, {}, {}};
    const auto& spec = member(*found.object, "spec");
    if (json_number_or(spec, "revisionHistoryLimit", 10) < 1) {
        out.detail = fmt::format("{} keeps no earlier revision", name_of(*found.object));
        out.hint = "Raise its revisionHistoryLimit: nothing could be undone.";
        return out;
    }
    const auto kept = kept_templates(workloads, found, deadline);
    if (!kept)
        return unknown("way back", kept.error());
    const auto* current = current_template(*kept, *found.object);
    if (current == nullptr) {
        out.verdict = Verdict::unknown;
        out.detail = "the controller has not seen the last change yet";
        return out;
    }
    std::set<std::string> digests;
    for (const auto& pod : pods)
        for (const auto& status : list_of(member(*pod, "status"), "containerStatuses"))
            if (const auto digest = digest_of(status); !digest.empty())
                digests.insert(digest);
    std::vector<std::string> images;
    for (const auto& [container, image] : images_of(*current->pods))
        images.push_back(printable(image));
    out.verdict = Verdict::passed;
    out.detail = fmt::format(
        "revision {} ({}{}) stays, conduitctl rollout undo; migrations of a database are "
        "not undone",
        current->number, join(images, ", "),
        digests.empty() ? "" : ", " + join(std::vector<std::string>(digests.begin(), digests.end()), ", "));
    return out;
}

Result<std::vector<ReleaseCheck>> precheck(WorkloadApi& workloads, const std::string& name, Deadline deadline)
{
    TRY_ASSIGN(const auto found, find_release(workloads, name, deadline));
    TRY_ASSIGN(const auto pods, workloads.pods_of(*found.object, deadline));
    const auto& pod_spec = member(member(member(*found.object, "spec"), "template"), "spec");
    std::vector<ReleaseCheck> out{check_rollout(*found.object, rollout_of(*found.object)), check_pods(pods)};
    out.push_back(check_budget(workloads, *found.object, deadline));
    out.push_back(check_quota(workloads, *found.object, surge_of(*found.object), deadline));
    out.push_back(check_autoscaler(workloads, name, deadline));
    out.push_back(check_way_back(workloads, found, pods, deadline));
    // The last: it reads every pod of the cluster.
    out.push_back(check_nodes(workloads, *found.object, resources_of(pod_spec), deadline));
    return out;
}

} // namespace conduit::kubernetes
