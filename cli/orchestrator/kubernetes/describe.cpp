// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/describe.hpp"

#include "cli/orchestrator/kubernetes/autoscalers.hpp"
#include "cli/orchestrator/kubernetes/canary.hpp"
#include "cli/orchestrator/kubernetes/capacity.hpp"
#include "cli/orchestrator/kubernetes/events.hpp"
#include "cli/orchestrator/kubernetes/revisions.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::kubernetes {
namespace {

constexpr std::size_t k_events = 10;

Json conditions_of(const Json& status)
{
    Json out = Json::array();
    for (const auto& one : list_of(status, "conditions"))
        out.push_back({{"type", json_string_or(one, "type", "")},
                       {"status", json_string_or(one, "status", "")},
                       {"reason", printable(json_string_or(one, "reason", ""))},
                       {"message", printable(json_string_or(one, "message", ""))}});
    return out;
}

std::string probe_text(const Json& probe)
{
    std::string how = "?";
    if (const auto& http = member(probe, "httpGet"); !http.empty()) {
        const auto* port = json_find(http, "port");
        how = fmt::format("http-get :{}{}",
                          port == nullptr     ? ""
                          : port->is_string() ? port->get<std::string>()
                                              : dump_json(*port),
                          json_string_or(http, "path", "/"));
    } else if (const auto& tcp = member(probe, "tcpSocket"); !tcp.empty()) {
        const auto* port = json_find(tcp, "port");
        how = fmt::format("tcp :{}", port == nullptr ? "" : dump_json(*port));
    } else if (json_find(probe, "exec") != nullptr) {
        how = "exec"; // its words may hold a secret
    } else if (json_find(probe, "grpc") != nullptr) {
        how = "grpc";
    }
    return printable(fmt::format("{} every {} s, {} failures", how,
                                 json_number_or(probe, "periodSeconds", 10),
                                 json_number_or(probe, "failureThreshold", 3)));
}

// Where a volume comes from: {"configmap", "audio-config"}.
std::pair<std::string, std::string> source_of(const Json& volume)
{
    for (const auto& [key, kind, field] : {std::tuple{"configMap", "configmap", "name"},
                                           {"secret", "secret", "secretName"},
                                           {"persistentVolumeClaim", "claim", "claimName"}})
        if (const auto* found = json_find(volume, key))
            return {kind, json_string_or(*found, field, "")};
    for (const auto& [key, value] : volume.items())
        if (key != "name")
            return {to_lower(key), ""};
    return {};
}

Json mounts_of(const Json& pod_spec, const Json& container)
{
    Json out = Json::array();
    for (const auto& mount : list_of(container, "volumeMounts"))
        for (const auto& volume : list_of(pod_spec, "volumes"))
            if (json_string_or(volume, "name", "") == json_string_or(mount, "name", "")) {
                const auto [kind, name] = source_of(volume);
                out.push_back({{"path", json_string_or(mount, "mountPath", "")},
                               {"from", kind},
                               {"name", name},
                               {"sub_path", json_string_or(mount, "subPath", "")}});
            }
    for (const auto& from : list_of(container, "envFrom"))
        for (const auto& [key, kind] : {std::pair{"configMapRef", "configmap"}, {"secretRef", "secret"}})
            if (const auto* found = json_find(from, key))
                out.push_back({{"path", "environment"},
                               {"from", kind},
                               {"name", json_string_or(*found, "name", "")},
                               {"sub_path", ""}});
    return out;
}

Json containers_of(const Json& pod_spec)
{
    const auto resources = resources_of(pod_spec);
    Json out = Json::array();
    for (const auto& container : list_of(pod_spec, "containers")) {
        Json item{{"name", json_string_or(container, "name", "")},
                  {"image", printable(json_string_or(container, "image", ""))}};
        for (const auto& one : resources)
            if (item["name"] == Json(one.container)) {
                item["requests"] = one.requests;
                item["limits"] = one.limits;
            }
        Json probes = Json::object();
        for (const auto* kind : {"livenessProbe", "readinessProbe", "startupProbe"})
            if (const auto* probe = json_find(container, kind))
                probes[std::string_view(kind).substr(0, std::string_view(kind).find("Probe"))] =
                    probe_text(*probe);
        item["probes"] = std::move(probes);
        item["mounts"] = mounts_of(pod_spec, container);
        out.push_back(std::move(item));
    }
    return out;
}

Json events_json(WorkloadApi& workloads, const std::string& name, Deadline deadline)
{
    Json out = Json::array();
    const auto all = events(workloads, name, deadline);
    if (!all)
        return out;
    for (auto i = all->size() - std::min(all->size(), k_events); i < all->size(); ++i) {
        const auto& one = (*all)[i];
        out.push_back({{"at", format_time(one.last)},
                       {"type", one.warning ? "warning" : "normal"},
                       {"object", one.object},
                       {"reason", one.reason},
                       {"count", one.count},
                       {"message", one.message}});
    }
    return out;
}

// States and digests of the containers that run, beside what was asked for.
void add_running(const Json& pod, Json& containers)
{
    for (auto& container : containers)
        for (const auto& status : list_of(member(pod, "status"), "containerStatuses"))
            if (container["name"] == Json(json_string_or(status, "name", ""))) {
                container["digest"] = digest_of(status);
                container["ready"] = json_bool_or(status, "ready", false);
                container["restarts"] = json_number_or(status, "restartCount", 0);
                for (const auto* key : {"state", "lastState"})
                    for (const auto& [state, detail] : member(status, key).items()) {
                        const auto reason = printable(json_string_or(detail, "reason", ""));
                        Json shown{{"state", state}, {"reason", reason}};
                        if (const auto* code = json_find(detail, "exitCode"))
                            shown["exit_code"] = *code;
                        container[key == std::string_view("state") ? "state" : "last"] = std::move(shown);
                    }
            }
}

Json instance_json(const Json& pod)
{
    const auto one = instance_of(pod);
    return {{"name", one.name},
            {"state", state_name(one.state)},
            {"ready", one.ready},
            {"restarts", one.restarts},
            {"node", json_string_or(member(pod, "spec"), "nodeName", "")},
            {"started_at", one.started_at ? Json(format_time(*one.started_at)) : Json()},
            {"problem", one.problem}};
}

Json pod_json(WorkloadApi& workloads, const Json& pod, Deadline deadline)
{
    Json out = instance_json(pod);
    out["kind"] = "Pod";
    out["workload"] = instance_of(pod).workload;
    out["address"] = json_string_or(member(pod, "status"), "podIP", "");
    auto containers = containers_of(member(pod, "spec"));
    add_running(pod, containers);
    out["containers"] = std::move(containers);
    out["conditions"] = conditions_of(member(pod, "status"));
    out["events"] = events_json(workloads, name_of(pod), deadline);
    return out;
}

Json check_json(const ReleaseCheck& check)
{
    return check.detail;
}

Result<Json> workload_json(WorkloadApi& workloads, const Found& found, Deadline deadline)
{
    const auto& object = *found.object;
    TRY_ASSIGN(const auto status, rollout_status(workloads, name_of(object), deadline));
    TRY_ASSIGN(const auto pods, workloads.pods_of(object, deadline));
    const auto& spec = member(object, "spec");
    Json out{{"name", status.workload},
             {"kind", status.kind},
             {"state", status.state},
             {"problem", status.problem},
             {"replicas",
              {{"wanted", status.wanted},
               {"updated", status.updated},
               {"available", status.available},
               {"running", status.total}}},
             {"selector", selector_of(object)}};
    for (const auto* key : {"strategy", "updateStrategy"})
        if (const auto* strategy = json_find(spec, key))
            out["strategy"] = *strategy;
    auto containers = containers_of(member(member(spec, "template"), "spec"));
    for (auto& container : containers) {
        Json digests = Json::array();
        for (const auto& running : status.running)
            if (container["name"] == Json(running.container) && !running.digest.empty() &&
                std::ranges::find(digests, Json(running.digest)) == digests.end())
                digests.push_back(running.digest);
        container["digests"] = std::move(digests);
    }
    out["containers"] = std::move(containers);
    out["conditions"] = conditions_of(member(object, "status"));
    Json instances = Json::array();
    for (const auto& pod : pods)
        instances.push_back(instance_json(*pod));
    out["instances"] = std::move(instances);
    out["disruption_budget"] = check_json(check_budget(workloads, object, deadline));
    out["autoscaler"] = nullptr;
    if (const auto all = autoscalers(workloads, deadline))
        for (const auto& one : *all)
            if (one.workload == status.workload)
                out["autoscaler"] = {{"name", one.name}, {"min", one.min}, {"max", one.max}};
    out["events"] = events_json(workloads, status.workload, deadline);
    return out;
}

} // namespace

Result<JsonBox> describe(WorkloadApi& workloads, const std::string& name, Deadline deadline)
{
    const auto pod =
        workloads.api().get(kube::resource_path({.plural = "pods"}, workloads.name_space(), name), deadline);
    if (pod)
        return JsonBox(pod_json(workloads, **pod, deadline));
    if (pod.error().kind != ErrorKind::not_found)
        return pod.error();
    TRY_ASSIGN(const auto found, find_release(workloads, name, deadline));
    TRY_ASSIGN(auto described, workload_json(workloads, found, deadline));
    return JsonBox(std::move(described));
}

} // namespace conduit::kubernetes
