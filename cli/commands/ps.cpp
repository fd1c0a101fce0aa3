// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/instances.hpp"

#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct PsOptions {
    std::string workload;
};

void ps_flags(Flags& flags, PsOptions& o)
{
    flags.arg("WORKLOAD", o.workload, "Only this workload's").optional().complete(workload_completer());
}

Result<Report> ps_run(App& app, const PsOptions& o)
{
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    const auto deadline = app.deadline(10s);
    TRY_ASSIGN(const auto instances, orchestrator->instances(o.workload, deadline));
    using enum OutputFormat;
    const auto form = app.global().output;
    std::vector<Workload> workloads; // documents have them, tables do not
    if (form == json || form == yaml || form == jsonpath) {
        TRY_ASSIGN(workloads, orchestrator->workloads(deadline));
    }
    Report report;
    Json items = Json::array();
    for (const auto& instance : instances)
        items.push_back(instance_json(instance));
    Json groups = Json::array();
    for (const auto& workload : workloads)
        if (o.workload.empty() || workload.name == o.workload)
            groups.push_back(Json{{"name", workload.name},
                                  {"wanted", workload.wanted},
                                  {"ready", workload.ready},
                                  {"running", workload.running}});
    report.data = Json{{"items", items}, {"workloads", groups}};
    report.columns = instance_columns();
    if (instances.empty())
        report.notes = {"nothing runs"};
    return report;
}

} // namespace

Noun ps()
{
    return standalone<PsOptions>(
        Group::instances,
        {.name = "ps",
         .summary = "List the instances and their state",
         .examples = {"conduitctl ps", "conduitctl ps agent -o wide"},
         .covers = {"A-em-fail-1", "C-arch-2", "C-rb-tts-6", "C-rb-cache-2", "E-db-status-1"},
         .backends = {"orchestrator"}},
        ps_flags, ps_run);
}

} // namespace conduit::commands
