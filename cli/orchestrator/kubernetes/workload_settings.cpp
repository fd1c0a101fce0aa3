// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/workload_settings.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::kubernetes {
namespace {

using Kind = SettingPath::Kind;

constexpr std::array<const char*, 2> k_lists{"containers", "initContainers"};

bool is_resource(std::string_view key)
{
    const auto dot = key.find('.');
    const auto group = key.substr(0, dot);
    return dot != std::string_view::npos && dot + 1 < key.size() &&
           (group == "limits" || group == "requests");
}

// Null when there is no such container.
Json* find_container(Json& object, const std::string& name)
{
    auto* place = &object;
    for (const auto* key : {"spec", "template", "spec"}) {
        if (!place->is_object() || !place->contains(key))
            return nullptr;
        place = &(*place)[key];
    }
    for (const auto* list : k_lists)
        if (place->contains(list) && (*place)[list].is_array())
            for (auto& container : (*place)[list])
                if (json_string_or(container, "name", "") == name)
                    return &container;
    return nullptr;
}

const Json* find_container(const Json& object, const std::string& name)
{
    const auto& pod = member(member(member(object, "spec"), "template"), "spec");
    for (const auto* list : k_lists)
        for (const auto& container : list_of(pod, list))
            if (json_string_or(container, "name", "") == name)
                return &container;
    return nullptr;
}

Error no_container(const Json& object, const std::string& name)
{
    std::vector<std::string> names;
    for (const auto& [container, image] : images_of(member(member(object, "spec"), "template")))
        names.push_back(container);
    return {ErrorKind::not_found,
            fmt::format("{} in workload {}, which has {}", unknown_name("container", name, names),
                        name_of(object), join(names, ", ")),
            fmt::format("Name one of them with --container {}.", names.empty() ? "NAME" : names.front())};
}

bool is_daemon_set(const Json& object)
{
    return json_find(member(object, "spec"), "updateStrategy") != nullptr;
}

const char* strategy_key(const Json& object)
{
    return is_daemon_set(object) ? "updateStrategy" : "strategy";
}

std::string rolling_key(const std::string& part)
{
    return part == "max_surge" ? "maxSurge" : "maxUnavailable";
}

Json value_or_null(const Json& object, std::string_view key)
{
    const auto* found = json_find(object, key);
    return found == nullptr ? Json() : *found;
}

bool is_cpu(const Json& metric)
{
    const auto& resource = member(metric, "resource");
    return json_string_or(metric, "type", "") == "Resource" &&
           json_string_or(resource, "name", "") == "cpu" &&
           json_find(member(resource, "target"), "averageUtilization") != nullptr;
}

Json read_bound(const Json& object, const std::string& part)
{
    const auto& spec = member(object, "spec");
    if (part == "min")
        return value_or_null(spec, "minReplicas");
    if (part == "max")
        return value_or_null(spec, "maxReplicas");
    for (const auto& metric : list_of(spec, "metrics"))
        if (is_cpu(metric))
            return value_or_null(member(member(metric, "resource"), "target"), "averageUtilization");
    return value_or_null(spec, "targetCPUUtilizationPercentage");
}

void set_or_erase(Json& object, const std::string& key, const Json& value)
{
    if (value.is_null())
        object.erase(key);
    else
        object[key] = value;
}

// autoscaling/v1 has a number, the later versions a list of metrics.
void edit_cpu(Json& spec, const Json& value, bool by_metrics)
{
    if (!by_metrics) {
        set_or_erase(spec, "targetCPUUtilizationPercentage", value);
        return;
    }
    Json metrics = Json::array();
    bool found = false;
    for (auto metric : list_of(spec, "metrics")) {
        if (is_cpu(metric)) {
            found = true;
            if (value.is_null())
                continue;
            metric["resource"]["target"]["averageUtilization"] = value;
        }
        metrics.push_back(std::move(metric));
    }
    if (!found && !value.is_null())
        metrics.push_back(
            {{"type", "Resource"},
             {"resource",
              {{"name", "cpu"}, {"target", {{"type", "Utilization"}, {"averageUtilization", value}}}}}});
    set_or_erase(spec, "metrics", metrics.empty() ? Json() : metrics);
}

void edit_resource(Json& container, const std::string& key, const Json& value)
{
    const auto dot = key.find('.');
    const auto group = key.substr(0, dot);
    auto& resources = container["resources"];
    if (!resources.is_object())
        resources = Json::object();
    auto& values = resources[group];
    if (!values.is_object())
        values = Json::object();
    set_or_erase(values, key.substr(dot + 1), value);
    if (values.empty())
        resources.erase(group);
}

Result<> edit_strategy(Json& object, const SettingPath& path, const Json& value)
{
    auto& strategy = object["spec"][strategy_key(object)];
    if (!strategy.is_object())
        strategy = Json::object();
    if (path.part == "type") {
        set_or_erase(strategy, "type", value);
        return {};
    }
    auto& rolling = strategy["rollingUpdate"];
    if (!rolling.is_object())
        rolling = Json::object();
    set_or_erase(rolling, rolling_key(path.part), value);
    if (rolling.empty())
        strategy.erase("rollingUpdate");
    return {};
}

Result<SettingPath> bad_path(const std::string& path)
{
    return fail(ErrorKind::internal, fmt::format("workloads have no setting '{}'", path));
}

} // namespace

std::vector<std::pair<std::string, std::string>> images_of(const Json& pod_template)
{
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto* list : k_lists)
        for (const auto& container : list_of(member(pod_template, "spec"), list))
            out.emplace_back(json_string_or(container, "name", ""), json_string_or(container, "image", ""));
    return out;
}

Result<SettingPath> parse_setting(const std::string& path)
{
    const auto parts = split(path, '/');
    if (parts.size() < 2 || parts[1].empty())
        return bad_path(path);
    SettingPath out{.object = parts[1]};
    if (parts[0] == "autoscalers") {
        out.kind = parts.size() == 2 ? Kind::autoscaler : Kind::bound;
        out.part = parts.size() == 3 ? parts[2] : "";
        const bool known = out.part == "min" || out.part == "max" || out.part == "cpu";
        return parts.size() == 2 || known ? Result<SettingPath>(out) : bad_path(path);
    }
    if (parts[0] != "workloads" || parts.size() < 3)
        return bad_path(path);
    if (parts.size() == 3 && (parts[2] == "paused" || parts[2] == "template")) {
        out.kind = parts[2] == "paused" ? Kind::paused : Kind::pods;
        return out;
    }
    out.part = parts.size() > 3 ? parts[3] : "";
    if (parts.size() == 4 && parts[2] == "image")
        return out;
    if (parts.size() == 4 && parts[2] == "strategy" &&
        (out.part == "type" || out.part == "max_surge" || out.part == "max_unavailable")) {
        out.kind = Kind::strategy;
        return out;
    }
    if (parts.size() == 5 && parts[2] == "resources" && is_resource(parts[4])) {
        out.kind = Kind::resource;
        out.key = parts[4];
        return out;
    }
    return bad_path(path);
}

Result<Json> read_setting(const Json& object, const SettingPath& path)
{
    const auto& spec = member(object, "spec");
    switch (path.kind) {
    case Kind::autoscaler:
        return kept_autoscaler(object);
    case Kind::bound:
        return read_bound(object, path.part);
    case Kind::paused:
        return Json(json_bool_or(spec, "paused", false));
    case Kind::strategy: {
        const auto& strategy = member(spec, strategy_key(object));
        return path.part == "type" ? value_or_null(strategy, "type")
                                   : value_or_null(member(strategy, "rollingUpdate"), rolling_key(path.part));
    }
    case Kind::pods:
        return fail(ErrorKind::internal, "the template is a name among the revisions");
    default:
        break;
    }
    const auto* container = find_container(object, path.part);
    if (container == nullptr)
        return no_container(object, path.part);
    if (path.kind == Kind::image)
        return value_or_null(*container, "image");
    const auto dot = path.key.find('.');
    const auto& resources = member(*container, "resources");
    return value_or_null(member(resources, path.key.substr(0, dot)), path.key.substr(dot + 1));
}

Result<> edit_setting(Json& object, const SettingPath& path, const Json& value)
{
    switch (path.kind) {
    case Kind::bound: {
        auto& spec = object["spec"];
        const bool by_metrics = !json_string_or(object, "apiVersion", "").ends_with("/v1");
        if (path.part == "cpu")
            edit_cpu(spec, value, by_metrics);
        else
            set_or_erase(spec, path.part == "min" ? "minReplicas" : "maxReplicas", value);
        return {};
    }
    case Kind::paused:
        set_or_erase(object["spec"], "paused", value == true ? value : Json());
        return {};
    case Kind::strategy:
        return edit_strategy(object, path, value);
    case Kind::pods:
    case Kind::autoscaler:
        return fail(ErrorKind::internal, "this setting is not edited in place");
    default:
        break;
    }
    auto* container = find_container(object, path.part);
    if (container == nullptr)
        return no_container(object, path.part);
    if (path.kind == Kind::image)
        set_or_erase(*container, "image", value);
    else
        edit_resource(*container, path.key, value);
    return {};
}

Json merge_diff(const Json& from, const Json& to)
{
    Json patch = Json::object();
    for (const auto& [key, value] : from.items())
        if (!to.contains(key))
            patch[key] = nullptr;
    for (const auto& [key, value] : to.items()) {
        const auto* was = json_find(from, key);
        if (was == nullptr) {
            patch[key] = value;
        } else if (was->is_object() && value.is_object()) {
            if (auto inner = merge_diff(*was, value); !inner.empty())
                patch[key] = std::move(inner);
        } else if (canonical_json(*was) != canonical_json(value)) {
            patch[key] = value;
        }
    }
    return patch;
}

Json kept_autoscaler(const Json& object)
{
    Json out = Json::object();
    const auto& meta = member(object, "metadata");
    for (const auto* key : {"labels", "annotations"}) {
        Json kept = Json::object();
        for (const auto& [name, value] : member(meta, key).items())
            if (!name.starts_with("conduit.dev/") && !name.starts_with("autoscaling.alpha.kubernetes.io/c"))
                kept[name] = value;
        if (!kept.empty())
            out[key] = std::move(kept);
    }
    out["spec"] = member(object, "spec");
    return out;
}

} // namespace conduit::kubernetes
