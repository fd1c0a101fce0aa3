// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/usage.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace conduit::kubernetes {
namespace {

using ByPod = std::map<std::string, Usage>;

Result<ByPod> from_metrics(WorkloadApi& workloads, Deadline deadline)
{
    ByPod out;
    const kube::Resource metrics{.group = "metrics.k8s.io", .version = "v1beta1", .plural = "pods"};
    TRY(workloads.api().list(
        kube::resource_path(metrics, workloads.name_space()), {},
        [&](const Json& pod) {
            Usage usage;
            for (const auto& container : list_of(pod, "containers")) {
                const auto& used = member(container, "usage");
                usage.cpu_cores += quantity(json_string_or(used, "cpu", "")).value_or(0);
                usage.memory_bytes +=
                    static_cast<std::uint64_t>(quantity(json_string_or(used, "memory", "")).value_or(0));
            }
            out[name_of(pod)] = usage;
        },
        [&] { out.clear(); }, deadline));
    return out;
}

// workingSetBytes is what the kernel cannot take back: what a limit is measured by.
Result<> add_summary(WorkloadApi& workloads, const std::string& node, ByPod& out, Deadline deadline)
{
    TRY_ASSIGN(const auto summary,
               workloads.api().get(fmt::format("/api/v1/nodes/{}/proxy/stats/summary", node), deadline));
    for (const auto& pod : list_of(*summary, "pods")) {
        const auto& reference = member(pod, "podRef");
        if (json_string_or(reference, "namespace", "") != workloads.name_space())
            continue;
        const auto& cpu = member(pod, "cpu");
        const bool measured = json_find(cpu, "usageNanoCores") != nullptr &&
                              json_number_or(member(pod, "memory"), "workingSetBytes", 0) > 0;
        if (!measured)
            continue; // of a young pod: unknown, not zero
        Usage usage;
        usage.cpu_cores = json_number_or(cpu, "usageNanoCores", 0) / 1e9;
        usage.memory_bytes =
            static_cast<std::uint64_t>(json_number_or(member(pod, "memory"), "workingSetBytes", 0));
        for (const auto& container : list_of(pod, "containers"))
            usage.containers.push_back(
                {.container = json_string_or(container, "name", ""),
                 .cpu_cores = json_number_or(member(container, "cpu"), "usageNanoCores", 0) / 1e9,
                 .memory_bytes = static_cast<std::uint64_t>(
                     json_number_or(member(container, "memory"), "workingSetBytes", 0))});
        out[json_string_or(reference, "name", "")] = usage;
    }
    return {};
}

Result<ByPod> from_kubelets(WorkloadApi& workloads, Deadline deadline)
{
    TRY_ASSIGN(const auto pods, workloads.pods("", deadline));
    std::set<std::string> nodes;
    for (const auto& pod : pods)
        if (auto node = json_string_or(member(*pod, "spec"), "nodeName", ""); !node.empty())
            nodes.insert(std::move(node));
    ByPod out;
    for (const auto& node : nodes)
        TRY(add_summary(workloads, node, out, deadline));
    return out;
}

} // namespace

std::optional<double> quantity(std::string_view text)
{
    double value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc{} || value < 0)
        return std::nullopt;
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    constexpr std::array<std::pair<std::string_view, double>, 14> k_units{{{"", 1},
                                                                           {"n", 1e-9},
                                                                           {"u", 1e-6},
                                                                           {"m", 1e-3},
                                                                           {"k", 1e3},
                                                                           {"M", 1e6},
                                                                           {"G", 1e9},
                                                                           {"T", 1e12},
                                                                           {"Ki", 1024.0},
                                                                           {"Mi", 1048576.0},
                                                                           {"Gi", 1073741824.0},
                                                                           {"Ti", 1099511627776.0},
                                                                           {"P", 1e15},
                                                                           {"Pi", 1125899906842624.0}}};
    for (const auto& [name, factor] : k_units)
        if (name == unit)
            return value * factor;
    return std::nullopt;
}

// What each container asked for, and may have at the most; in the pod's own order.
static void add_limits(const Json& pod, Usage& usage)
{
    auto next = usage.containers.begin();
    for (const auto& container : list_of(member(pod, "spec"), "containers")) {
        const auto found = std::ranges::find(usage.containers, json_string_or(container, "name", ""),
                                             &ContainerUsage::container);
        if (found == usage.containers.end())
            continue;
        const auto& resources = member(container, "resources");
        const auto amount = [&](const char* group, const char* what) {
            return quantity(json_string_or(member(resources, group), what, ""));
        };
        const auto bytes = [&](const char* group) {
            const auto value = json_find(member(resources, group), "memory") == nullptr
                                   ? std::nullopt
                                   : amount(group, "memory");
            return value ? std::optional(static_cast<std::uint64_t>(*value)) : std::nullopt;
        };
        found->cpu_request = amount("requests", "cpu");
        found->cpu_limit = amount("limits", "cpu");
        found->memory_request = bytes("requests");
        found->memory_limit = bytes("limits");
        std::iter_swap(next++, found);
    }
}

Result<std::vector<Usage>> pod_usage(WorkloadApi& workloads, const std::vector<JsonBox>& pods,
                                     Deadline deadline)
{
    auto known = from_metrics(workloads, deadline);
    if (!known &&
        (known.error().kind == ErrorKind::not_found || known.error().kind == ErrorKind::unreachable))
        known = from_kubelets(workloads, deadline);
    if (!known)
        return std::move(known).error();
    std::vector<Usage> out;
    for (const auto& pod : pods) {
        const auto instance = instance_of(*pod);
        const auto found = known->find(instance.name);
        if (found == known->end())
            continue;
        auto usage = found->second;
        usage.instance = instance.name;
        usage.workload = instance.workload;
        add_limits(*pod, usage);
        out.push_back(std::move(usage));
    }
    if (out.empty() && !pods.empty())
        return fail(ErrorKind::unknown, "the use of these pods has not been measured yet",
                    "Look again in a minute.");
    return out;
}

} // namespace conduit::kubernetes
