// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/log_source.hpp"

#include "core/text.hpp"
#include "core/url.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::kubernetes {
namespace {

struct Chosen {
    std::vector<JsonBox> pods;
    bool of_workload = false; // then no instance is named any more
};

Result<Chosen> pods_of(WorkloadApi& workloads, const LogQuery& query, Deadline deadline)
{
    Chosen chosen;
    if (!query.workload.empty()) {
        TRY_ASSIGN(const auto found, workloads.find(query.workload, deadline));
        TRY_ASSIGN(chosen.pods, workloads.pods_of(*found.object, deadline));
        chosen.of_workload = query.instances.empty();
        return chosen;
    }
    if (query.instances.size() == 1) {
        TRY_ASSIGN(const auto found, workloads.look(query.instances.front(), deadline));
        if (found) {
            TRY_ASSIGN(chosen.pods, workloads.pods_of(*found->object, deadline));
            chosen.of_workload = true;
            return chosen;
        }
    }
    TRY_ASSIGN(chosen.pods, workloads.pods("", deadline));
    chosen.of_workload = query.instances.empty();
    return chosen;
}

} // namespace

Result<std::vector<LogSource>> log_sources(WorkloadApi& workloads, const LogQuery& query, Deadline deadline)
{
    TRY_ASSIGN(const auto chosen, pods_of(workloads, query, deadline));
    std::vector<std::string> names;
    std::vector<LogSource> out;
    for (const auto& pod : chosen.pods) {
        const auto& name = names.emplace_back(name_of(*pod));
        if (!chosen.of_workload && std::ranges::count(query.instances, name) == 0)
            continue;
        for (const auto& container : list_of(member(*pod, "spec"), "containers"))
            out.push_back({name, json_string_or(container, "name", "")});
        if (!query.previous)
            continue;
        for (const auto& container : list_of(member(*pod, "status"), "containerStatuses"))
            if (json_number_or(container, "restartCount", 0) > 0)
                out.push_back({name, json_string_or(container, "name", ""), true});
    }
    if (chosen.of_workload)
        return out;
    const auto missing = std::ranges::find_if(
        query.instances, [&](const auto& name) { return std::ranges::find(names, name) == names.end(); });
    if (missing == query.instances.end())
        return out;
    if (query.instances.size() == 1)
        if (const auto all = workloads.workloads(deadline))
            for (const auto& one : *all)
                names.push_back(name_of(*one));
    return fail(ErrorKind::not_found, unknown_name("instance", *missing, names), "See: conduitctl ps");
}

std::string log_path(const WorkloadApi& workloads, const LogSource& source, kube::Query query)
{
    query.emplace("container", source.container);
    query.emplace("timestamps", "true");
    if (source.previous)
        query.emplace("previous", "true");
    return fmt::format("/api/v1/namespaces/{}/pods/{}/log?{}", workloads.name_space(), source.pod,
                       query_string(query));
}

StampedLine stamped(std::string_view line)
{
    const auto blank = line.find(' ');
    const bool has_time = blank != std::string_view::npos && blank >= 20 && line[10] == 'T';
    if (!has_time)
        return {{}, line};
    return {line.substr(0, blank), line.substr(blank + 1)};
}

} // namespace conduit::kubernetes
