// SPDX-License-Identifier: Apache-2.0
// `autoscale`: the HorizontalPodAutoscaler of a workload.
#include "cli/commands/all.hpp"
#include "cli/commands/releases.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct ShowOptions {
    std::string workload;
};
struct SetOptions {
    std::string workload = "agent";
    std::optional<int> min, max, cpu;
    ops::ChangeOptions change;
};
struct OffOptions {
    std::string workload = "agent";
    ops::ChangeOptions change;
};

Result<std::optional<Autoscaler>> find(App& app, const std::string& workload)
{
    TRY_ASSIGN(Releases * releases, app.releases());
    TRY_ASSIGN(const auto all, releases->autoscalers(app.deadline(k_read_timeout)));
    const auto found = std::ranges::find(all, workload, &Autoscaler::workload);
    return found == all.end() ? std::optional<Autoscaler>{} : std::optional(*found);
}

Result<Report> show(App& app, const ShowOptions& o)
{
    TRY_ASSIGN(Releases * releases, app.releases());
    TRY_ASSIGN(const auto all, releases->autoscalers(app.deadline(k_read_timeout)));
    Json items = Json::array();
    std::vector<std::string> notes;
    for (const auto& one : all) {
        if (!o.workload.empty() && one.workload != o.workload)
            continue;
        items.push_back({{"name", one.name},
                         {"workload", one.workload},
                         {"min", one.min},
                         {"max", one.max},
                         {"now", one.now},
                         {"wanted", one.wanted},
                         {"cpu", one.cpu ? Json(*one.cpu) : Json()},
                         {"cpu_now", one.cpu_now ? Json(*one.cpu_now) : Json()},
                         {"other", one.other},
                         {"problems", one.problems}});
        for (const auto& problem : one.problems)
            notes.push_back(fmt::format("{}: {}", one.name, problem));
    }
    const auto right = Column::Align::right;
    using enum Column::Format;
    auto report = list_report(std::move(items),
                              {{.head = "NAME", .field = "name"},
                               {.head = "WORKLOAD", .field = "workload"},
                               {.head = "MIN", .field = "min", .format = integer, .align = right},
                               {.head = "MAX", .field = "max", .format = integer, .align = right},
                               {.head = "NOW", .field = "now", .format = integer, .align = right},
                               {.head = "CPU-NOW", .field = "cpu_now", .format = integer, .align = right},
                               {.head = "CPU-AIM", .field = "cpu", .format = integer, .align = right}});
    report.notes = std::move(notes);
    if ((*report.data)["items"].empty())
        report.notes = {"no autoscaler"};
    return report;
}

Result<> check_bounds(int min, int max)
{
    if (min <= max)
        return {};
    return fail(ErrorKind::usage, fmt::format("a minimum of {} is more than the maximum of {}", min, max),
                "Give both: --min N --max N");
}

Result<> check_guard(App& app, const SetOptions& o)
{
    TRY_ASSIGN(const Context* context, app.context());
    const auto limit = context->guards.max_replicas;
    if (!o.max || !limit || *o.max <= *limit || o.change.force)
        return {};
    return fail(ErrorKind::refused,
                fmt::format("a maximum of {} is more than the context allows (guard max_replicas = {})",
                            *o.max, *limit),
                fmt::format("The largest that passes: --max {}", *limit));
}

Result<> fill_new(App& app, const SetOptions& o, ops::ReleaseChange& change)
{
    if (!o.max)
        return fail(ErrorKind::usage,
                    fmt::format("workload {} has no autoscaler yet: it needs a maximum", o.workload),
                    "Give --max N, and --cpu PERCENT to aim at.");
    TRY(check_bounds(o.min.value_or(1), *o.max));
    TRY_ASSIGN(Releases * releases, app.releases());
    const auto deadline = app.deadline(k_read_timeout);
    TRY_ASSIGN(const auto resources, releases->resources(o.workload, deadline));
    for (const auto& container : resources)
        if (!container.requests.contains("cpu") && !container.limits.contains("cpu"))
            return fail(ErrorKind::refused,
                        fmt::format("container {} of {} requests no CPU: an autoscaler could not work",
                                    container.container, o.workload),
                        fmt::format("Set it first: conduitctl resources set --workload {} --container {} "
                                    "--request-cpu 250m",
                                    o.workload, container.container));
    TRY_ASSIGN(auto made,
               releases->new_autoscaler(o.workload, o.min.value_or(1), *o.max, o.cpu.value_or(80), deadline));
    change.fields.emplace_back("autoscalers/" + o.workload, std::move(made));
    return {};
}

Result<Report> set(App& app, const SetOptions& o)
{
    if (!o.min && !o.max && !o.cpu)
        return fail(ErrorKind::usage, "nothing to set", "Give --min, --max or --cpu.");
    TRY_ASSIGN(const auto now, find(app, o.workload));
    TRY(check_guard(app, o));
    ops::ReleaseChange change{.verb = "autoscale set",
                              .workload = o.workload,
                              .summary = fmt::format("set the autoscaler of {}", o.workload),
                              .verify = "the autoscaler has these bounds"};
    if (!now) {
        TRY(fill_new(app, o, change));
        return change_release(app, std::move(change), o.change);
    }
    TRY(check_bounds(o.min.value_or(now->min), o.max.value_or(now->max)));
    for (const auto& [name, value] : {std::pair{"min", o.min}, {"max", o.max}, {"cpu", o.cpu}})
        if (value)
            change.fields.emplace_back(fmt::format("autoscalers/{}/{}", now->name, name),
                                       JsonBox(Json(*value)));
    change.lines.emplace_back("replicas",
                              fmt::format("{} now; the autoscaler keeps them within the bounds", now->now));
    return change_release(app, std::move(change), o.change);
}

Result<Report> off(App& app, const OffOptions& o)
{
    TRY_ASSIGN(const auto now, find(app, o.workload));
    if (!now) {
        Report report;
        report.data = Json{{"operation", nullptr}, {"changed", false}, {"verdict", "ok"}, {"verified", true}};
        report.notes = {fmt::format("{} has no autoscaler", o.workload)};
        return report;
    }
    return change_release(app,
                          {.verb = "autoscale off",
                           .workload = o.workload,
                           .summary = fmt::format("remove the autoscaler {} of {}", now->name, o.workload),
                           .fields = {{"autoscalers/" + now->name, JsonBox()}},
                           .lines = {{"replicas", fmt::format("{} stay, until somebody scales", now->now)},
                                     {"was", fmt::format("{} to {} replicas", now->min, now->max)}},
                           .verify = "the autoscaler is gone",
                           .undo = "it is made anew as it was"},
                          o.change);
}

} // namespace

Noun autoscale()
{
    return {.name = "autoscale",
            .summary = "Let the cluster choose how many replicas run",
            .group = Group::capacity,
            .verbs = {
                verb<ShowOptions>(
                    {.name = "show",
                     .summary = "Show autoscalers, their bounds and what limits them",
                     .examples = {"conduitctl autoscale show"},
                     .also = also_refused(),
                     .backends = {"kubernetes"}},
                    [](Flags& f, ShowOptions& o) { workload_flag(f, o.workload); }, show),
                verb<SetOptions>(
                    {.name = "set",
                     .summary = "Set the bounds of a workload's autoscaler",
                     .effect = Effect::change,
                     .tier = Tier::moderate,
                     .undo = Undo::exact,
                     .text = "A workload without one gets one, of the same name. What is not named stays.",
                     .examples =
                         {"conduitctl autoscale set --workload conduit-api --min 5 --max 30 --for 2h --yes",
                          "conduitctl autoscale set --max 10 --cpu 70 --yes"},
                     .covers = {"E-err-scale-2"},
                     .backends = {"kubernetes"}},
                    [](Flags& f, SetOptions& o) {
                        workload_flag(f, o.workload);
                        f.opt("--min", o.min, "At least so many replicas").between(1, 1000);
                        f.opt("--max", o.max, "At most so many replicas").between(1, 1000);
                        f.opt("--cpu", o.cpu, "Per cent of the requested processor time to aim at")
                            .between(1, 1000);
                        change_flags(f, o.change);
                    },
                    set),
                verb<OffOptions>(
                    {.name = "off",
                     .summary = "Remove a workload's autoscaler; the replicas stay",
                     .effect = Effect::change,
                     .tier = Tier::moderate,
                     .undo = Undo::exact,
                     .examples = {"conduitctl autoscale off --workload conduit-api --for 1h --yes"},
                     .backends = {"kubernetes"}},
                    [](Flags& f, OffOptions& o) {
                        workload_flag(f, o.workload);
                        change_flags(f, o.change);
                    },
                    off),
            }};
}

} // namespace conduit::commands
