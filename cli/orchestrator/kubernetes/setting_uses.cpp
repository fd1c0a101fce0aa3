// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/setting_uses.hpp"

#include "cli/orchestrator/kubernetes/objects.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

namespace conduit::kubernetes {
namespace {

std::string text(const Json& object, std::string_view key)
{
    return json_string_or(object, key, "");
}

// A list leaves the kind out of its items.
std::string kind_of(const Json& workload)
{
    if (const auto kind = text(workload, "kind"); !kind.empty())
        return kind;
    const auto& spec = member(workload, "spec");
    if (json_find(spec, "serviceName") != nullptr)
        return "StatefulSet";
    return json_find(spec, "replicas") != nullptr ? "Deployment" : "DaemonSet";
}

const Json& pod_spec_of(const Json& workload)
{
    return member(member(member(workload, "spec"), "template"), "spec");
}

template <class Fn> void each_container(const Json& pod_spec, const Fn& fn)
{
    for (const auto* list : {"initContainers", "containers"})
        for (const auto& container : list_of(pod_spec, list))
            fn(container);
}

class Collector {
  public:
    Collector(std::vector<SettingUse>& out, std::string workload, std::string kind)
        : out_(out), workload_(std::move(workload)), kind_(std::move(kind))
    {
    }

    void pod(const Json& spec)
    {
        each_container(spec, [&](const Json& container) {
            container_ = text(container, "name");
            variables(container);
            for (const auto& mount : list_of(container, "volumeMounts"))
                for (const auto& volume : list_of(spec, "volumes"))
                    if (text(volume, "name") == text(mount, "name"))
                        file(volume, mount);
        });
        container_.clear();
        for (const auto& pull : list_of(spec, "imagePullSecrets"))
            add(SettingKind::secret, text(pull, "name"), ReadAs::image_pull, {}, "");
    }

  private:
    void variables(const Json& container)
    {
        for (const auto& variable : list_of(container, "env")) {
            const auto& from = member(variable, "valueFrom");
            const auto as = text(variable, "name");
            if (const auto* ref = json_find(from, "configMapKeyRef"))
                add(SettingKind::map, text(*ref, "name"), ReadAs::variable, {text(*ref, "key")}, as);
            if (const auto* ref = json_find(from, "secretKeyRef"))
                add(SettingKind::secret, text(*ref, "name"), ReadAs::variable, {text(*ref, "key")}, as);
        }
        for (const auto& from : list_of(container, "envFrom")) {
            const auto as = text(from, "prefix");
            if (const auto* ref = json_find(from, "configMapRef"))
                add(SettingKind::map, text(*ref, "name"), ReadAs::all_variables, {}, as);
            if (const auto* ref = json_find(from, "secretRef"))
                add(SettingKind::secret, text(*ref, "name"), ReadAs::all_variables, {}, as);
        }
    }

    static std::vector<std::string> keys_of(const Json& source, const std::string& sub_path)
    {
        std::vector<std::string> keys;
        for (const auto& item : list_of(source, "items"))
            if (sub_path.empty() || text(item, "path") == sub_path)
                keys.push_back(text(item, "key"));
        if (list_of(source, "items").empty() && !sub_path.empty())
            keys.push_back(sub_path);
        return keys;
    }

    void file(const Json& volume, const Json& mount)
    {
        const auto sub_path = text(mount, "subPath");
        const bool fixed = !sub_path.empty() || !text(mount, "subPathExpr").empty();
        const auto how = fixed ? ReadAs::sub_path : ReadAs::file;
        const auto as = text(mount, "mountPath");
        const auto take = [&](const Json& sources) {
            if (const auto* map = json_find(sources, "configMap"))
                add(SettingKind::map, text(*map, "name"), how, keys_of(*map, sub_path), as);
            if (const auto* secret = json_find(sources, "secret")) {
                auto name = text(*secret, "secretName");
                add(SettingKind::secret, name.empty() ? text(*secret, "name") : name, how,
                    keys_of(*secret, sub_path), as);
            }
        };
        take(volume);
        for (const auto& source : list_of(member(volume, "projected"), "sources"))
            take(source);
    }

    void add(SettingKind kind, const std::string& object, ReadAs how, std::vector<std::string> keys,
             const std::string& as)
    {
        if (!object.empty())
            out_.push_back({kind, object, workload_, kind_, container_, how, std::move(keys), as});
    }

    std::vector<SettingUse>& out_;
    std::string workload_, kind_, container_;
};

bool has_ended(const Json& pod)
{
    const auto phase = text(member(pod, "status"), "phase");
    return phase == "Succeeded" || phase == "Failed";
}

} // namespace

std::vector<SettingUse> uses_in(std::span<const JsonBox> workloads, std::span<const JsonBox> pods)
{
    std::vector<SettingUse> out;
    std::set<std::string> names;
    for (const auto& workload : workloads) {
        names.insert(name_of(*workload));
        Collector(out, name_of(*workload), kind_of(*workload)).pod(pod_spec_of(*workload));
    }
    for (const auto& pod : pods)
        if (!names.contains(instance_of(*pod).workload) && !has_ended(*pod))
            Collector(out, name_of(*pod), "Pod").pod(member(*pod, "spec"));
    return out;
}

std::vector<EnvironmentValue> environment_in(std::span<const JsonBox> workloads)
{
    std::vector<EnvironmentValue> out;
    for (const auto& workload : workloads)
        each_container(pod_spec_of(*workload), [&](const Json& container) {
            for (const auto& variable : list_of(container, "env")) {
                EnvironmentValue value{.workload = name_of(*workload),
                                       .container = text(container, "name"),
                                       .name = text(variable, "name"),
                                       .value = text(variable, "value"),
                                       .from_object = {},
                                       .from_key = {},
                                       .from = {}};
                const auto& from = member(variable, "valueFrom");
                for (const auto& [how, kind] : {std::pair{"configMapKeyRef", SettingKind::map},
                                                std::pair{"secretKeyRef", SettingKind::secret}})
                    if (const auto* ref = json_find(from, how)) {
                        value.from = kind;
                        value.from_object = text(*ref, "name");
                        value.from_key = text(*ref, "key");
                    }
                out.push_back(std::move(value));
            }
        });
    return out;
}

} // namespace conduit::kubernetes
