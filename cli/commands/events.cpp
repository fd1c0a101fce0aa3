// SPDX-License-Identifier: Apache-2.0
// `events`: what happened to workloads and instances, newest last.
#include "cli/commands/all.hpp"
#include "cli/commands/instances.hpp"
#include "cli/commands/releases.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct EventsOptions {
    std::string object;
    Duration since{3'600'000};
    std::string type;
};

Result<std::vector<ReleaseEvent>> read_events(App& app, const std::string& object)
{
    TRY_ASSIGN(const Context* context, app.context());
    const auto deadline = app.deadline(k_read_timeout);
    if (context->orchestrator != OrchestratorKind::local) {
        TRY_ASSIGN(Releases * releases, app.releases());
        return releases->events(object, deadline);
    }
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    TRY_ASSIGN(const auto all, orchestrator->events(deadline));
    std::vector<ReleaseEvent> out;
    for (const auto& one : all)
        if (object.empty() || one.object == object || one.object.starts_with(object + "-"))
            out.push_back({.first = one.at,
                           .last = one.at,
                           .warning = one.reason == "exited" || one.reason == "back-off",
                           .object = one.object,
                           .reason = one.reason,
                           .message = one.message});
    return out;
}

Result<Report> events_run(App& app, const EventsOptions& o)
{
    TRY_ASSIGN(const auto all, read_events(app, o.object));
    const auto from = app.clock().now() - o.since;
    Json items = Json::array();
    for (const auto& one : all) {
        const auto* type = one.warning ? "warning" : "normal";
        if (one.last < from || (!o.type.empty() && o.type != type))
            continue;
        items.push_back({{"at", format_time(one.last)},
                         {"first", format_time(one.first)},
                         {"count", one.count},
                         {"type", type},
                         {"kind", one.kind},
                         {"object", one.object},
                         {"reason", one.reason},
                         {"message", one.message}});
    }
    using enum Column::Format;
    auto report =
        list_report(std::move(items),
                    {{.head = "TYPE", .field = "type"},
                     {.head = "OBJECT", .field = "object"},
                     {.head = "REASON", .field = "reason"},
                     {.head = "COUNT", .field = "count", .format = integer, .align = Column::Align::right},
                     {.head = "AGE", .field = "at", .format = age},
                     {.head = "MESSAGE", .field = "message"}});
    report.name_field = "object";
    if ((*report.data)["items"].empty())
        report.notes = {fmt::format("nothing in the last {}", human_duration(o.since))};
    return report;
}

} // namespace

Noun events()
{
    return standalone<EventsOptions>(
        Group::instances,
        {.name = "events",
         .summary = "Show what happened to workloads and instances",
         .text = "Newest last. A cluster keeps events for about an hour.",
         .examples = {"conduitctl events --type warning", "conduitctl events --for agent --since 15m"},
         .also = also_refused(),
         .covers = {"A-em-fail-2"},
         .backends = {"orchestrator"}},
        [](Flags& f, EventsOptions& o) {
            f.opt("--for", o.object, "Only of this object, or of what belongs to this workload")
                .value("OBJECT")
                .complete(workload_completer());
            f.opt("--since", o.since, "Only what happened in this time");
            f.choice("--type", o.type, {"normal", "warning"}, "Only events of this type");
        },
        events_run);
}

} // namespace conduit::commands
