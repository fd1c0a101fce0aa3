// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/instances.hpp"

#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct TopOptions {
    std::string workload;
    Duration between{500};
};

void top_flags(Flags& flags, TopOptions& o)
{
    flags.arg("WORKLOAD", o.workload, "Only this workload's").optional().complete(workload_completer());
    flags.opt("--between", o.between, "Time between the two samples of the processor time");
}

Result<Report> top_run(App& app, const TopOptions& o)
{
    if (o.between < 50ms || o.between > 60s)
        return fail(ErrorKind::usage, "--between must be from 50ms to 60s");
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    TRY_ASSIGN(const auto usages, orchestrator->top(o.workload, o.between, app.deadline(o.between + 10s)));
    Report report;
    Json items = Json::array();
    for (const auto& usage : usages)
        items.push_back(Json{{"name", usage.instance},
                             {"workload", usage.workload},
                             {"cpu", usage.cpu_cores},
                             {"memory_bytes", usage.memory_bytes},
                             {"threads", usage.threads},
                             {"open_files", usage.open_files}});
    report.data = Json{{"items", items}};
    using enum Column::Format;
    constexpr auto k_right = Column::Align::right;
    report.columns = {{.head = "NAME", .field = "name"},
                      {.head = "WORKLOAD", .field = "workload"},
                      {.head = "CPU", .field = "cpu", .format = percent, .align = k_right},
                      {.head = "MEMORY", .field = "memory_bytes", .format = bytes, .align = k_right},
                      {.head = "THREADS", .field = "threads", .format = integer, .align = k_right},
                      {.head = "FILES", .field = "open_files", .format = integer, .align = k_right}};
    return report;
}

} // namespace

Noun top()
{
    return standalone<TopOptions>(Group::instances,
                                  {.name = "top",
                                   .summary = "Show processor and memory use of the instances",
                                   .text = "CPU is a share of one core: 150 % is one and a half.",
                                   .examples = {"conduitctl top", "conduitctl top agent --between 2s"},
                                   .backends = {"orchestrator"}},
                                  top_flags, top_run);
}

} // namespace conduit::commands
