// SPDX-License-Identifier: Apache-2.0
// `scale` and `restart`: changes of a workload, whatever runs it.
#include "cli/commands/all.hpp"
#include "cli/commands/instances.hpp"
#include "cli/commands/releases.hpp"
#include "cli/commands/support.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct ScaleOptions {
    std::string workload = "agent";
    int replicas = 0;
    int by = 1;
    ops::ChangeOptions change;
};

Result<Workload> workload_named(App& app, const std::string& name)
{
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    TRY_ASSIGN(const auto all, orchestrator->workloads(app.deadline(k_read_timeout)));
    std::vector<std::string> names;
    for (const auto& workload : all) {
        if (workload.name == name)
            return workload;
        names.push_back(workload.name);
    }
    if (names.empty())
        return fail(ErrorKind::unreachable, "nothing is running here", "Start it: conduitctl local up");
    return fail(ErrorKind::not_found, unknown_name("workload", name, names), "List them: conduitctl ps");
}

Result<Report> show(App& app)
{
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    TRY_ASSIGN(const auto all, orchestrator->workloads(app.deadline(k_read_timeout)));
    TRY_ASSIGN(const Context* context, app.context());
    Json items = Json::array();
    for (const auto& w : all)
        items.push_back(
            {{"name", w.name},
             {"wanted", w.wanted},
             {"ready", w.ready},
             {"running", w.running},
             {"min", context->guards.min_replicas ? Json(*context->guards.min_replicas) : Json()},
             {"max", context->guards.max_replicas ? Json(*context->guards.max_replicas) : Json()}});
    using enum Column::Format;
    const auto right = Column::Align::right;
    return list_report(items, {{.head = "WORKLOAD", .field = "name"},
                               {.head = "WANTED", .field = "wanted", .format = integer, .align = right},
                               {.head = "READY", .field = "ready", .format = integer, .align = right},
                               {.head = "RUNNING", .field = "running", .format = integer, .align = right},
                               {.head = "MIN", .field = "min", .format = integer, .align = right},
                               {.head = "MAX", .field = "max", .format = integer, .align = right}});
}

// An autoscaler has the last word: outside its bounds a scale would be reverted at once, inside them when the
// load says so. With none wanted it pauses.
Result<std::string> autoscaler_says(App& app, const std::string& workload, int replicas, bool force)
{
    TRY_ASSIGN(const auto found, autoscaler_of(app, workload));
    if (!found)
        return std::string();
    if (replicas == 0)
        return fmt::format("{} pauses while none is wanted, and goes on from {} to {} afterwards",
                           found->name, found->min, found->max);
    if (!force && (replicas < found->min || replicas > found->max))
        return fail(ErrorKind::refused,
                    fmt::format("the autoscaler {} keeps {} between {} and {} replicas: {} would be reverted",
                                found->name, workload, found->min, found->max, replicas),
                    fmt::format("Set its bounds: conduitctl autoscale set --workload {} {} {}\nOr remove it: "
                                "conduitctl autoscale off --workload {}",
                                workload, replicas < found->min ? "--min" : "--max", replicas, workload));
    return fmt::format("{} may set another number from {} to {} at any time", found->name, found->min,
                       found->max);
}

Result<Report> scale_to(App& app, const std::string& workload, int replicas,
                        const ops::ChangeOptions& options)
{
    if (replicas < 0 || replicas > 1000)
        return fail(ErrorKind::usage, fmt::format("{} replicas cannot be asked for", replicas),
                    "Give 0 to 1000.");
    TRY(workload_named(app, workload));
    TRY_ASSIGN(ops::WorkloadTarget * target, workload_target(app));
    TRY_ASSIGN(Operations * operations, app.operations());
    auto intent = ops::scale_intent(*target, workload, replicas);
    TRY_ASSIGN(auto warning, autoscaler_says(app, workload, replicas, options.force));
    if (!warning.empty())
        intent.lines.emplace_back("autoscaler", std::move(warning));
    return operations->change(intent, options);
}

Result<Report> to(App& app, const ScaleOptions& o)
{
    return scale_to(app, o.workload, o.replicas, o.change);
}

Result<Report> up(App& app, const ScaleOptions& o)
{
    TRY_ASSIGN(const auto workload, workload_named(app, o.workload));
    return scale_to(app, o.workload, workload.wanted + o.by, o.change);
}

Result<Report> down(App& app, const ScaleOptions& o)
{
    TRY_ASSIGN(const auto workload, workload_named(app, o.workload));
    return scale_to(app, o.workload, std::max(0, workload.wanted - o.by), o.change);
}

Result<Report> max(App& app, const ScaleOptions& o)
{
    TRY_ASSIGN(const Context* context, app.context());
    if (!context->guards.max_replicas)
        return fail(
            ErrorKind::refused, fmt::format("context {} declares no max_replicas", context->name),
            fmt::format("Declare it: conduitctl context set guards.max_replicas 10 -C {}", context->name));
    return scale_to(app, o.workload, *context->guards.max_replicas, o.change);
}

void workload_flags(Flags& flags, ScaleOptions& o)
{
    flags.opt("--workload", o.workload, "Which workload").value("WORKLOAD").complete(workload_completer());
    change_flags(flags, o.change);
}

Verb step_verb(std::string_view name, std::string_view summary, std::vector<std::string_view> examples,
               std::vector<std::string_view> covers, Result<Report> (*run)(App&, const ScaleOptions&))
{
    return verb<ScaleOptions>(
        {.name = name,
         .summary = summary,
         .effect = Effect::change,
         .tier = Tier::moderate,
         .undo = Undo::exact,
         .examples = std::move(examples),
         .covers = std::move(covers),
         .backends = {"orchestrator"}},
        [](Flags& f, ScaleOptions& o) {
            f.opt("--by", o.by, "So many replicas").between(1, 100);
            workload_flags(f, o);
        },
        run);
}

struct RestartOptions {
    std::string workload = "agent";
    std::vector<std::string> instances;
    bool unhealthy = false;
    Duration unready_for{60'000};
    std::optional<int> most;
    std::optional<Duration> drain;
    ops::ChangeOptions change;
};

// A crash loop, or running and not ready for a while. What starts is left alone, as is what has ended: their
// phase says nothing of their health.
bool is_unhealthy(const Instance& instance, WallTime now, Duration unready_for)
{
    if (instance.state == InstanceState::crash_loop)
        return true;
    return instance.state == InstanceState::not_ready &&
           (!instance.unready_since || now - *instance.unready_since >= unready_for);
}

Result<Report> restart_run(App& app, const RestartOptions& o)
{
    TRY(workload_named(app, o.workload));
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    TRY_ASSIGN(const auto all, orchestrator->instances(o.workload, app.deadline(k_read_timeout)));
    std::vector<std::string> known;
    std::vector<std::string> chosen = o.instances;
    for (const auto& instance : all) {
        known.push_back(instance.name);
        const bool room = !o.most || chosen.size() < static_cast<std::size_t>(*o.most);
        if (o.unhealthy && room && is_unhealthy(instance, app.clock().now(), o.unready_for))
            chosen.push_back(instance.name);
    }
    for (const auto& name : chosen)
        if (std::ranges::find(known, name) == known.end())
            return fail(ErrorKind::not_found, unknown_name("instance", name, known),
                        "List them: conduitctl ps");
    if (o.unhealthy && chosen.empty()) {
        Report report;
        report.data = Json{{"operation", nullptr}, {"changed", false}, {"verdict", "ok"}, {"verified", true}};
        report.notes = {"no instance is unhealthy: nothing to restart"};
        return report;
    }
    TRY_ASSIGN(ops::WorkloadTarget * target, workload_target(app));
    TRY_ASSIGN(Operations * operations, app.operations());
    return operations->change(ops::restart_intent(*target, o.workload, chosen, o.drain),
                              waiting_for(o.change, o.drain, chosen.empty() ? all.size() : chosen.size()));
}

} // namespace

Noun scale()
{
    return {
        .name = "scale",
        .summary = "How many replicas run",
        .group = Group::capacity,
        .verbs = {
            verb({.name = "show",
                  .summary = "Show wanted and ready replicas and their bounds",
                  .examples = {"conduitctl scale show"},
                  .backends = {"orchestrator"}},
                 show),
            verb<ScaleOptions>(
                {.name = "to",
                 .summary = "Run exactly so many replicas",
                 .effect = Effect::change,
                 .tier = Tier::moderate,
                 .undo = Undo::exact,
                 .text = "Done when so many are ready by the orchestrator's word and each answers "
                         "by itself.",
                 .examples = {"conduitctl scale to 5 --yes"},
                 .covers = {"A-scale-up-1", "A-scale-down-1", "A-scale-down-2", "A-em-fail-5", "A-ts-err-10",
                            "A-ts-lat-8", "A-ts-lat-12", "C-scale-1", "E-err-scale-1"},
                 .backends = {"orchestrator"}},
                [](Flags& f, ScaleOptions& o) {
                    f.arg("REPLICAS", o.replicas, "How many").between(0, 1000);
                    workload_flags(f, o);
                },
                to),
            step_verb("up", "Add replicas", {"conduitctl scale up --by 2"}, {}, up),
            step_verb("down", "Take replicas away, draining each",
                      {"conduitctl scale down --yes --reason \"night\""}, {}, down),
            verb<ScaleOptions>({.name = "max",
                                .summary = "Run as many replicas as the context allows",
                                .effect = Effect::change,
                                .tier = Tier::moderate,
                                .undo = Undo::exact,
                                .examples = {"conduitctl scale max --for 1h --reason \"complete failure\""},
                                .covers = {"A-em-fail-4"},
                                .backends = {"orchestrator"}},
                               workload_flags, max),
        }};
}

Noun restart()
{
    return standalone<RestartOptions>(
        Group::instances,
        {.name = "restart",
         .summary = "Replace running instances, one after the other",
         .effect = Effect::change,
         .tier = Tier::moderate,
         .undo = Undo::none,
         .text = "A new instance is ready before the old one drains, so that no request is cut. "
                 "Realtime sessions have as long as the replica drains (30 s unless its configuration says "
                 "otherwise); with --drain so long. Those left are closed with 1001 (going away). "
                 "--unhealthy chooses crash loops and what has not been ready for a while, never what "
                 "starts; in a cluster each is evicted, so that disruption budgets hold.",
         .examples = {"conduitctl restart --yes", "conduitctl restart --drain=5m --yes",
                      "conduitctl restart --instance agent-2 --reason \"memory growth\"",
                      "conduitctl restart --unhealthy"},
         .omitted = {{ErrorKind::stale, "writes no field that could have moved"},
                     {ErrorKind::rolled_back, "it cannot be taken back: 10"}},
         .covers = {"A-ts-mem-7", "C-rb-tts-7", "E-mem-relief-1"},
         .backends = {"orchestrator"}},
        [](Flags& f, RestartOptions& o) {
            f.opt("--workload", o.workload, "Which workload")
                .value("WORKLOAD")
                .complete(workload_completer());
            f.opt("--instance", o.instances, "Only this one; may be given again")
                .value("NAME")
                .complete(instance_completer());
            f.flag("--unhealthy", o.unhealthy, "Only those in a crash loop or long not ready");
            f.opt("--unready-for", o.unready_for, "With --unhealthy: not ready for so long");
            f.opt("--max", o.most, "With --unhealthy: at most so many").between(1, 1000);
            drain_flag(f, o.drain, "How long each old one may drain, realtime sessions included");
            change_flags(f, o.change);
        },
        restart_run);
}

} // namespace conduit::commands
