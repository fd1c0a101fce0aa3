// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/autoscalers.hpp"

#include "cli/orchestrator/kubernetes/revisions.hpp"
#include "cli/orchestrator/kubernetes/workload_settings.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::kubernetes {
namespace {

// Those whose metrics are written here; v2beta1 has another form.
constexpr std::array<std::string_view, 3> k_versions{"autoscaling/v2", "autoscaling/v2beta2",
                                                     "autoscaling/v1"};

Result<kube::Resource> served(WorkloadApi& workloads, Deadline deadline)
{
    return workloads.discovery().prefer(k_versions, "horizontalpodautoscalers", deadline);
}

int whole(const Json& object, std::string_view key, int otherwise = 0)
{
    return static_cast<int>(json_number_or(object, key, otherwise));
}

bool is_cpu(const Json& metric)
{
    return json_string_or(metric, "type", "") == "Resource" &&
           json_string_or(member(metric, "resource"), "name", "") == "cpu";
}

std::string metric_text(const Json& metric)
{
    const auto type = json_string_or(metric, "type", "");
    auto key = type;
    if (!key.empty())
        key.front() = static_cast<char>(key.front() | 0x20); // "Resource" is at "resource"
    const auto& body = member(metric, key);
    const auto name = json_string_or(body, "name", json_string_or(member(body, "metric"), "name", ""));
    const auto& target = member(body, "target");
    for (const auto* form : {"averageUtilization", "averageValue", "value"})
        if (const auto* value = json_find(target, form))
            return printable(fmt::format("{} {} {} {}", type, name, form,
                                         value->is_string() ? value->get<std::string>() : dump_json(*value)));
    return printable(fmt::format("{} {}", type, name));
}

void read_metrics(const Json& object, Autoscaler& out)
{
    const auto& spec = member(object, "spec");
    const auto& status = member(object, "status");
    if (const auto* v1 = json_find(spec, "targetCPUUtilizationPercentage"); v1 != nullptr && v1->is_number())
        out.cpu = v1->get<int>();
    if (const auto* v1 = json_find(status, "currentCPUUtilizationPercentage");
        v1 != nullptr && v1->is_number())
        out.cpu_now = v1->get<int>();
    for (const auto& metric : list_of(spec, "metrics")) {
        const auto* target = json_find(member(member(metric, "resource"), "target"), "averageUtilization");
        if (is_cpu(metric) && target != nullptr && target->is_number())
            out.cpu = target->get<int>();
        else
            out.other.push_back(metric_text(metric));
    }
    for (const auto& metric : list_of(status, "currentMetrics")) {
        const auto* now = json_find(member(member(metric, "resource"), "current"), "averageUtilization");
        if (is_cpu(metric) && now != nullptr && now->is_number())
            out.cpu_now = now->get<int>();
    }
}

// AbleToScale and ScalingActive should hold, ScalingLimited should not.
void read_problems(const Json& conditions, Autoscaler& out)
{
    if (!conditions.is_array())
        return;
    for (const auto& one : conditions) {
        const auto type = json_string_or(one, "type", "");
        const bool holds = json_string_or(one, "status", "") == "True";
        const bool bad = type == "ScalingLimited" ? holds : !holds;
        if (bad)
            out.problems.push_back(printable(fmt::format("{}: {}", json_string_or(one, "reason", type),
                                                         json_string_or(one, "message", ""))));
    }
}

} // namespace

Result<std::string> autoscaler_path(WorkloadApi& workloads, const std::string& name, Deadline deadline)
{
    TRY_ASSIGN(const auto resource, served(workloads, deadline));
    return kube::resource_path(resource, workloads.name_space(), name);
}

Autoscaler autoscaler_of(const Json& object)
{
    const auto& spec = member(object, "spec");
    const auto& status = member(object, "status");
    Autoscaler out{.name = name_of(object),
                   .workload = json_string_or(member(spec, "scaleTargetRef"), "name", ""),
                   .min = whole(spec, "minReplicas", 1),
                   .max = whole(spec, "maxReplicas"),
                   .now = whole(status, "currentReplicas"),
                   .wanted = whole(status, "desiredReplicas")};
    read_metrics(object, out);
    if (const auto* conditions = json_find(status, "conditions"))
        read_problems(*conditions, out);
    const auto noted = json_string_or(member(member(object, "metadata"), "annotations"),
                                      "autoscaling.alpha.kubernetes.io/conditions", ""); // of v1
    if (const auto parsed = parse_json(noted.empty() ? "[]" : noted, {1U << 20U, 16}))
        read_problems(*parsed, out);
    return out;
}

Result<std::vector<Autoscaler>> autoscalers(WorkloadApi& workloads, Deadline deadline)
{
    TRY_ASSIGN(const auto folder, autoscaler_path(workloads, "", deadline));
    std::vector<Autoscaler> out;
    TRY(workloads.api().list(
        folder, {}, [&](const Json& item) { out.push_back(autoscaler_of(item)); }, [&] { out.clear(); },
        deadline));
    return out;
}

Result<JsonBox> new_autoscaler(WorkloadApi& workloads, const Found& workload, int min, int max,
                               std::optional<int> cpu, Deadline deadline)
{
    TRY_ASSIGN(const auto resource, served(workloads, deadline));
    const auto kind = kind_of(workload);
    const bool argo = kind == "Rollout";
    Json object{{"apiVersion", "autoscaling/" + resource.version},
                {"spec",
                 {{"scaleTargetRef",
                   {{"kind", kind},
                    {"name", name_of(*workload.object)},
                    {"apiVersion", argo ? "argoproj.io/v1alpha1" : "apps/v1"}}},
                  {"minReplicas", min},
                  {"maxReplicas", max}}}};
    if (cpu)
        TRY(edit_setting(
            object, {.kind = SettingPath::Kind::bound, .object = name_of(*workload.object), .part = "cpu"},
            Json(*cpu)));
    return JsonBox(Json{{"spec", object["spec"]}});
}

} // namespace conduit::kubernetes
