// SPDX-License-Identifier: Apache-2.0
// `rollout`: how a version comes to all replicas, and back.
#include "cli/commands/rollout.hpp"
#include "cli/commands/all.hpp"
#include "cli/commands/releases.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

constexpr Duration k_precheck_timeout{30'000}; // every pod of the cluster is read

struct WorkloadOptions {
    std::string workload = "agent";
};
struct StatusOptions {
    std::string workload = "agent";
    bool wait = false;
};
struct ChangeOfWorkload {
    std::string workload = "agent";
    ops::ChangeOptions change;
};
struct RestartOptions {
    std::string workload = "agent";
    std::optional<Duration> drain;
    ops::ChangeOptions change;
};
struct StrategyOptions {
    std::string workload = "agent";
    std::string type;
    std::string max_surge, max_unavailable;
    ops::ChangeOptions change;
};

void workload_flags(Flags& flags, WorkloadOptions& o)
{
    workload_flag(flags, o.workload);
}

void change_of_workload(Flags& flags, ChangeOfWorkload& o)
{
    workload_flag(flags, o.workload);
    change_flags(flags, o.change);
}

ErrorKind verdict_of(const std::string& state)
{
    if (state == "complete")
        return ErrorKind::ok;
    return state == "stuck" ? ErrorKind::breached : ErrorKind::unverified;
}

Result<Report> status_run(App& app, const StatusOptions& o)
{
    TRY_ASSIGN(Releases * releases, app.releases());
    Error ended;
    if (o.wait) {
        auto settled = releases->settle(o.workload, {}, app.deadline(k_rollout_timeout));
        if (!settled && settled.error().kind != ErrorKind::failed &&
            settled.error().kind != ErrorKind::unverified)
            return std::move(settled).error();
        if (!settled)
            ended = std::move(settled).error();
    }
    TRY_ASSIGN(const auto status, releases->status(o.workload, app.deadline(k_read_timeout)));
    Report report;
    auto data = status_json(status);
    report.verdict = verdict_of(status.state);
    if (!ended.message.empty() && status.state != "complete") {
        report.verdict = ended.kind == ErrorKind::failed ? ErrorKind::breached : ErrorKind::unverified;
        data["problem"] = ended.message;
        if (!ended.cause.empty())
            data["last_lines"] = ended.cause;
    }
    report.text = fmt::format("{} {}: {}; {} of {} updated, {} available\n", status.kind, status.workload,
                              status.state, status.updated, status.wanted, status.available);
    for (const auto* key : {"problem", "last_lines"})
        if (const auto text = json_string_or(data, key, ""); !text.empty())
            report.text += fmt::format("  {}\n", text);
    for (const auto& one : status.running)
        report.text +=
            fmt::format("  {} {} {} {}{}\n", one.instance, one.container, one.image,
                        one.digest.empty() ? "-" : short_digest(one.digest), one.current ? "" : " (old)");
    if (status.state == "stuck")
        report.next = {fmt::format("conduitctl rollout undo --workload {} --yes", o.workload)};
    report.data = std::move(data);
    return report;
}

Result<Report> history_run(App& app, const WorkloadOptions& o)
{
    TRY_ASSIGN(Releases * releases, app.releases());
    TRY_ASSIGN(const auto all, releases->revisions(o.workload, app.deadline(k_read_timeout)));
    Json items = Json::array();
    for (const auto& one : all) {
        Json digests = Json::array();
        for (const auto& digest : one.digests)
            digests.push_back(digest);
        items.push_back({{"revision", one.number},
                         {"name", one.name},
                         {"current", one.current},
                         {"image", images_text(one.images)},
                         {"digest", one.digests.empty() ? Json() : Json(short_digest(one.digests.front()))},
                         {"digests", std::move(digests)},
                         {"replicas", one.replicas},
                         {"cause", one.cause},
                         {"made_at", one.made_at ? Json(format_time(*one.made_at)) : Json()}});
    }
    using enum Column::Format;
    auto report = list_report(
        std::move(items),
        {{.head = "REVISION", .field = "revision", .format = integer, .align = Column::Align::right},
         {.head = "CURRENT", .field = "current", .format = yes_no},
         {.head = "IMAGE", .field = "image"},
         {.head = "DIGEST", .field = "digest"},
         {.head = "CAUSE", .field = "cause", .wide_only = true},
         {.head = "KEPT-BY", .field = "name", .wide_only = true},
         {.head = "AGE", .field = "made_at", .format = age}});
    if (all.empty())
        report.notes = {"no revision is kept"};
    return report;
}

Result<Report> precheck_run(App& app, const WorkloadOptions& o)
{
    using Verdict = ReleaseCheck::Verdict;
    TRY_ASSIGN(Releases * releases, app.releases());
    TRY_ASSIGN(const auto checks, releases->precheck(o.workload, app.deadline(k_precheck_timeout)));
    Report report;
    Json items = Json::array();
    for (const auto& check : checks) {
        const auto* verdict = check.verdict == Verdict::passed   ? "passed"
                              : check.verdict == Verdict::failed ? "failed"
                                                                 : "unknown";
        items.push_back(
            {{"name", check.name}, {"verdict", verdict}, {"detail", check.detail}, {"hint", check.hint}});
        if (check.verdict == Verdict::failed)
            report.verdict = ErrorKind::breached;
        if (check.verdict == Verdict::unknown && report.verdict == ErrorKind::ok)
            report.verdict = ErrorKind::unknown;
        if (check.verdict != Verdict::passed && !check.hint.empty())
            report.notes.push_back(check.hint);
    }
    report.data = Json{{"ready", report.verdict == ErrorKind::ok}, {"items", std::move(items)}};
    report.columns = {{.head = "CHECK", .field = "name"},
                      {.head = "VERDICT", .field = "verdict"},
                      {.head = "DETAIL", .field = "detail"}};
    return report;
}

Result<> can_be_paused(App& app, const std::string& workload)
{
    TRY_ASSIGN(Releases * releases, app.releases());
    TRY_ASSIGN(const auto status, releases->status(workload, app.deadline(k_read_timeout)));
    if (status.kind == "StatefulSet" || status.kind == "DaemonSet")
        return fail(ErrorKind::usage, fmt::format("workload {} is a {}, whose rollout cannot be paused",
                                                  workload, status.kind));
    return {};
}

Result<Report> pause_run(App& app, const ChangeOfWorkload& o)
{
    TRY(can_be_paused(app, o.workload));
    return change_release(app,
                          {.verb = "rollout pause",
                           .workload = o.workload,
                           .summary = fmt::format("pause the rollout of {}", o.workload),
                           .fields = {{setting(o.workload, "paused"), JsonBox(Json(true))}},
                           .verify = "the workload is paused",
                           .undo = "it goes on",
                           .tier = ops::Tier::mild},
                          o.change);
}

Result<Report> resume_run(App& app, const ChangeOfWorkload& o)
{
    TRY(can_be_paused(app, o.workload));
    return change_release(app,
                          {.verb = "rollout resume",
                           .workload = o.workload,
                           .summary = fmt::format("let the rollout of {} go on", o.workload),
                           .fields = {{setting(o.workload, "paused"), JsonBox(Json(false))}},
                           .undo = "it is paused again"},
                          o.change);
}

Result<Report> restart_run(App& app, const RestartOptions& o)
{
    TRY_ASSIGN(ops::WorkloadTarget * target, workload_target(app));
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    TRY_ASSIGN(const auto all, orchestrator->instances(o.workload, app.deadline(k_read_timeout)));
    TRY_ASSIGN(Operations * operations, app.operations());
    auto options = waiting_for(o.change, o.drain, all.size());
    options.timeout = std::max(options.timeout, k_rollout_timeout);
    return operations->change(ops::restart_intent(*target, o.workload, {}, o.drain), options);
}

// "1" or "25%".
Result<Json> count_or_share(const std::string& flag, const std::string& text)
{
    int value = 0;
    const auto digits = text.ends_with('%') ? text.substr(0, text.size() - 1) : text;
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (ec != std::errc{} || end != digits.data() + digits.size() || value < 0 ||
        (text.ends_with('%') && value > 100))
        return fail(ErrorKind::usage, fmt::format("{} must be a number or a share, not '{}'", flag, text),
                    fmt::format("Write it as {} 1 or {} 25%.", flag, flag));
    return text.ends_with('%') ? Json(text) : Json(value);
}

Result<Report> strategy_run(App& app, const StrategyOptions& o)
{
    ops::ReleaseChange change{.verb = "rollout strategy",
                              .workload = o.workload,
                              .summary = fmt::format("set how {} is updated", o.workload),
                              .verify = "the workload has the strategy"};
    const auto set = [&](const char* name, Json value) {
        change.fields.emplace_back(setting(o.workload, fmt::format("strategy/{}", name)),
                                   JsonBox(std::move(value)));
    };
    if (!o.type.empty())
        set("type", Json(o.type));
    if (o.type == "Recreate" && !(o.max_surge.empty() && o.max_unavailable.empty()))
        return fail(ErrorKind::usage, "a Recreate strategy has neither surge nor unavailable ones");
    for (const auto& [flag, name, text] : {std::tuple{"--max-surge", "max_surge", o.max_surge},
                                           {"--max-unavailable", "max_unavailable", o.max_unavailable}}) {
        if (o.type == "Recreate")
            set(name, Json());
        if (text.empty())
            continue;
        TRY_ASSIGN(auto value, count_or_share(flag, text));
        set(name, std::move(value));
    }
    if (change.fields.empty())
        return fail(ErrorKind::usage, "nothing to set", "Give --type, --max-surge or --max-unavailable.");
    return change_release(app, std::move(change), o.change);
}

} // namespace

Noun rollout()
{
    return {
        .name = "rollout",
        .summary = "See, wait for and take back the versions of a workload",
        .group = Group::releases,
        .verbs = {
            verb<WorkloadOptions>(
                {.name = "precheck",
                 .summary = "Ask whether a rollout would be safe now",
                 .text = "The last change was seen and is complete, every instance is ready and none is "
                         "stuck, a disruption budget allows it, quota and nodes have room, the autoscaler is "
                         "able to work. 13 when one of these is not so.",
                 .examples = {"conduitctl rollout precheck",
                              "conduitctl rollout precheck --workload conduit-api"},
                 .also = also_refused({ErrorKind::breached}),
                 .covers = {"E-roll-pre-2", "E-roll-pre-4"},
                 .backends = {"kubernetes"}},
                workload_flags, precheck_run),
            verb<StatusOptions>(
                {.name = "status",
                 .summary = "Show how far a rollout is, or wait for its end",
                 .text = "0 when it is complete, 11 while it is under way or paused, 13 when it is stuck: "
                         "with the reason, as soon as it is known.",
                 .examples = {"conduitctl rollout status",
                              "conduitctl rollout status --workload conduit-api --wait"},
                 .also = also_refused({ErrorKind::unverified, ErrorKind::breached}),
                 .covers = {"C-roll-2", "E-db-pool-2", "E-roll-dep-2"},
                 .backends = {"kubernetes"}},
                [](Flags& f, StatusOptions& o) {
                    workload_flag(f, o.workload);
                    f.flag("--wait", o.wait, "Until it is complete or stuck, at most 10 minutes");
                },
                status_run),
            verb<WorkloadOptions>({.name = "history",
                                   .summary = "List the revisions that are kept",
                                   .examples = {"conduitctl rollout history --workload conduit-api -o wide"},
                                   .also = also_refused(),
                                   .backends = {"kubernetes"}},
                                  workload_flags, history_run),
            rollout_undo(),
            verb<ChangeOfWorkload>({.name = "pause",
                                    .summary = "Stop a rollout where it is",
                                    .effect = Effect::change,
                                    .tier = Tier::mild,
                                    .undo = Undo::exact,
                                    .examples = {"conduitctl rollout pause --workload conduit-api"},
                                    .backends = {"kubernetes"}},
                                   change_of_workload, pause_run),
            verb<ChangeOfWorkload>({.name = "resume",
                                    .summary = "Let a paused rollout go on",
                                    .effect = Effect::change,
                                    .tier = Tier::moderate,
                                    .undo = Undo::exact,
                                    .examples = {"conduitctl rollout resume --workload conduit-api --yes"},
                                    .backends = {"kubernetes"}},
                                   change_of_workload, resume_run),
            verb<RestartOptions>(
                {.name = "restart",
                 .summary = "Replace every instance, one after the other",
                 .effect = Effect::change,
                 .tier = Tier::moderate,
                 .undo = Undo::none,
                 .text = "As `conduitctl restart` of a whole workload, with ten minutes to finish.",
                 .examples = {"conduitctl rollout restart --workload conduit-api --yes"},
                 .omitted = {{ErrorKind::stale, "writes no field that could have moved"},
                             {ErrorKind::rolled_back, "it cannot be taken back: 10"}},
                 .covers = {"A-prov-disable-3", "C-rec-2", "E-db-pool-1"},
                 .backends = {"orchestrator"}},
                [](Flags& f, RestartOptions& o) {
                    workload_flag(f, o.workload);
                    drain_flag(f, o.drain, "How long each old one may drain");
                    change_flags(f, o.change);
                },
                restart_run),
            verb<StrategyOptions>(
                {.name = "strategy",
                 .summary = "Set how many may be new or missing in an update",
                 .effect = Effect::change,
                 .tier = Tier::moderate,
                 .undo = Undo::exact,
                 .examples = {"conduitctl rollout strategy --workload audio-service --type RollingUpdate "
                              "--max-surge 1 --max-unavailable 0 --yes"},
                 .covers = {"C-scale-2", "C-scale-3", "C-scale-4"},
                 .backends = {"kubernetes"}},
                [](Flags& f, StrategyOptions& o) {
                    workload_flag(f, o.workload);
                    f.choice("--type", o.type, {"RollingUpdate", "Recreate"},
                             "One after the other, or all at once");
                    f.opt("--max-surge", o.max_surge, "So many more than wanted: a number or a share")
                        .value("COUNT");
                    f.opt("--max-unavailable", o.max_unavailable, "So many fewer than wanted").value("COUNT");
                    change_flags(f, o.change);
                },
                strategy_run),
        }};
}

} // namespace conduit::commands
