// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/workload_api.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::kubernetes {
namespace {

constexpr int k_tries = 20;
const std::array<kube::Resource, 3> k_kinds{kube::Resource{.group = "apps", .plural = "deployments"},
                                            kube::Resource{.group = "apps", .plural = "statefulsets"},
                                            kube::Resource{.group = "apps", .plural = "daemonsets"}};
const kube::Resource k_pods{.plural = "pods"};

Result<std::vector<JsonBox>> read_list(kube::Api& api, const std::string& path, const kube::Query& query,
                                       Deadline deadline)
{
    std::vector<JsonBox> out;
    TRY(api.list(
        path, query, [&](const Json& item) { out.emplace_back(item); }, [&] { out.clear(); }, deadline));
    return out;
}

} // namespace

std::string selector_of(const Json& workload)
{
    const auto& selector = member(member(workload, "spec"), "selector");
    std::vector<std::string> parts;
    for (const auto& [key, value] : member(selector, "matchLabels").items())
        parts.push_back(
            fmt::format("{}={}", key, value.is_string() ? value.get<std::string>() : std::string()));
    const auto* expressions = json_find(selector, "matchExpressions");
    if (expressions != nullptr && expressions->is_array())
        for (const auto& one : *expressions) {
            const auto key = json_string_or(one, "key", "");
            const auto how = json_string_or(one, "operator", "");
            std::vector<std::string> values;
            if (const auto* list = json_find(one, "values"); list != nullptr && list->is_array())
                for (const auto& value : *list)
                    values.push_back(value.is_string() ? value.get<std::string>() : std::string());
            if (how == "In" || how == "NotIn")
                parts.push_back(fmt::format("{} {} ({})", key, to_lower(how), join(values, ",")));
            else if (how == "Exists" || how == "DoesNotExist")
                parts.push_back((how == "Exists" ? "" : "!") + key);
        }
    return join(parts, ",");
}

Result<std::vector<JsonBox>> WorkloadApi::workloads(Deadline deadline)
{
    // One after the other over the connection that is there: another one takes longer to open than a list.
    std::vector<JsonBox> out;
    for (const auto& kind : k_kinds) {
        TRY_ASSIGN(auto list, read_list(api_, kube::resource_path(kind, name_space_), {}, deadline));
        std::ranges::move(list, std::back_inserter(out));
    }
    return out;
}

Result<std::vector<JsonBox>> WorkloadApi::pods(const std::string& label_selector, Deadline deadline)
{
    kube::Query query;
    if (!label_selector.empty())
        query.emplace("labelSelector", label_selector);
    return read_list(api_, kube::resource_path(k_pods, name_space_), query, deadline);
}

Result<std::optional<Found>> WorkloadApi::look(const std::string& name, Deadline deadline)
{
    for (const auto& kind : k_kinds) {
        auto path = kube::resource_path(kind, name_space_, name);
        auto object = api_.get(path, deadline);
        if (object)
            return std::optional(Found{std::move(path), *std::move(object)});
        if (object.error().kind != ErrorKind::not_found)
            return std::move(object).error();
    }
    return std::optional<Found>{};
}

Result<Found> WorkloadApi::find(const std::string& name, Deadline deadline)
{
    TRY_ASSIGN(auto found, look(name, deadline));
    if (found)
        return *std::move(found);
    TRY_ASSIGN(const auto all, workloads(deadline));
    std::vector<std::string> names;
    for (const auto& one : all)
        names.push_back(name_of(*one));
    return fail(ErrorKind::not_found,
                fmt::format("{} in namespace {}", unknown_name("workload", name, names), name_space_),
                "See: conduitctl ps");
}

Result<std::vector<JsonBox>> WorkloadApi::pods_of(const Json& workload, Deadline deadline)
{
    const auto selector = selector_of(workload);
    if (selector.empty())
        return fail(ErrorKind::unknown, fmt::format("workload {} selects no pods", name_of(workload)));
    TRY_ASSIGN(auto all, pods(selector, deadline));
    // Labels may be shared; the owner is what counts.
    std::erase_if(all, [&](const JsonBox& pod) { return instance_of(*pod).workload != name_of(workload); });
    return all;
}

Result<JsonBox> WorkloadApi::update(const std::string& path,
                                    const std::function<Result<Json>(const Json& now)>& edit,
                                    const std::function<void()>& on_sent, Deadline deadline, bool dry_run)
{
    for (int i = 0; i < k_tries; ++i) {
        TRY_ASSIGN(auto now, api_.get(path, deadline));
        TRY_ASSIGN(auto patch, edit(*now));
        if (patch.is_null())
            return now;
        patch["metadata"]["resourceVersion"] = (*now)["metadata"]["resourceVersion"];
        kube::WriteOptions options;
        options.on_sent = on_sent;
        options.dry_run = dry_run;
        auto written = api_.patch(path, kube::PatchType::merge, patch, options, deadline);
        // Controllers write the status all the time: only what `edit` looks at can be stale.
        if (written || written.error().kind != ErrorKind::stale)
            return written;
    }
    return fail(ErrorKind::stale, fmt::format("{} changes faster than it can be written", path));
}

Result<> WorkloadApi::evict(const Json& pod, std::optional<Duration> drain, Deadline deadline)
{
    const auto& meta = member(pod, "metadata");
    const auto name = name_of(pod);
    // Not the group's version: 1.21 serves policy/v1, but takes an eviction of v1beta1 only.
    TRY_ASSIGN(const auto served, discovery_.find("v1", "pods/eviction", deadline));
    const auto version = served ? served->version : "v1";
    Json options{{"preconditions", {{"uid", json_string_or(meta, "uid", "")}}}};
    if (drain)
        options["gracePeriodSeconds"] = std::max<std::int64_t>(1, drain->count() / 1000);
    const Json body{{"apiVersion", "policy/" + version},
                    {"kind", "Eviction"},
                    {"metadata", {{"name", name}, {"namespace", name_space_}}},
                    {"deleteOptions", std::move(options)}};
    kube::WriteOptions write;
    write.field_manager.clear();
    TRY(api_.create(kube::resource_path(k_pods, name_space_, name, "eviction"), body, write, deadline));
    return {};
}

} // namespace conduit::kubernetes
