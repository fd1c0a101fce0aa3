// SPDX-License-Identifier: Apache-2.0
// `backup run` and `backup prune`.
#include "cli/app/app.hpp"
#include "cli/app/operations.hpp"
#include "cli/backup/backups.hpp"
#include "cli/backup/catalog.hpp"
#include "cli/commands/backup.hpp"
#include "cli/commands/support.hpp"
#include "cli/targets/backups.hpp"
#include "core/http.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

constexpr Duration k_no_end = std::chrono::hours(24 * 7);
constexpr Duration k_heartbeat{10'000};

struct RunOptions {
    std::vector<std::string> parts;
    ops::ChangeOptions change;
};

struct PruneOptions {
    std::optional<std::int64_t> daily, weekly, monthly;
    ops::ChangeOptions change;
};

Result<ops::BackupTarget*> backup_target(App& app)
{
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(ops::Target * found, operations->target("backups"));
    auto* target = dynamic_cast<ops::BackupTarget*>(found);
    if (target == nullptr)
        return fail(ErrorKind::internal, "the context's backups are no target of changes");
    return target;
}

ops::ChangeOptions without_end(const App& app, ops::ChangeOptions options)
{
    if (!app.global().timeout)
        options.timeout = k_no_end;
    return options;
}

std::string figures(const std::string& context, const Json& made)
{
    const auto labels = fmt::format("{{context=\"{}\"}}", context);
    const auto time = [&](const char* key) {
        const auto at = parse_time(json_string_or(made, key, "")).value_or(WallTime{});
        return static_cast<double>(at.time_since_epoch().count()) / 1e3;
    };
    return fmt::format(
        "# HELP conduit_backup_last_success_timestamp_seconds When the newest backup was finished.\n"
        "# TYPE conduit_backup_last_success_timestamp_seconds gauge\n"
        "conduit_backup_last_success_timestamp_seconds{0} {1:.3f}\n"
        "# HELP conduit_backup_last_duration_seconds How long it took.\n"
        "# TYPE conduit_backup_last_duration_seconds gauge\n"
        "conduit_backup_last_duration_seconds{0} {2:.3f}\n"
        "# HELP conduit_backup_last_size_bytes What it takes in the repository.\n"
        "# TYPE conduit_backup_last_size_bytes gauge\n"
        "conduit_backup_last_size_bytes{0} {3}\n",
        labels, time("finished"), time("finished") - time("started"),
        static_cast<std::uint64_t>(json_number_or(made, "bytes", 0)));
}

// Said only of what is true: a failure of either leaves the backup as good as it is, and says so.
void tell_others(App& app, const Context& context, const Json& made, Report& report)
{
    if (!context.backup.metrics.empty())
        if (auto written = write_file(context.backup.metrics, figures(context.name, made), 0644); !written)
            app.warn(fmt::format("the figures were not written: {}", written.error().message));
    if (context.backup.heartbeat.empty())
        return;
    auto http = app.http();
    auto beaten = http ? (*http)->send({.url = context.backup.heartbeat}, Deadline(k_heartbeat))
                       : Result<HttpResponse>(std::move(http).error());
    const bool good = beaten && beaten->status < 300;
    (*report.data)["heartbeat"] = good;
    if (!good)
        app.warn(
            fmt::format("the heartbeat was not taken: {}",
                        beaten ? fmt::format("answered with {}", beaten->status) : beaten.error().message));
}

Result<Report> run(App& app, const RunOptions& o)
{
    if (o.change.no_wait)
        return fail(ErrorKind::usage, "backup run ends with the backup: --no-wait has no meaning",
                    "Leave it out.");
    TRY_ASSIGN(const Context* context, app.context());
    TRY_ASSIGN(Backups * backups, app.backup());
    TRY(backups->repository());
    const auto parts = o.parts.empty() ? backups->parts() : o.parts;
    if (parts.empty())
        return fail(ErrorKind::usage, fmt::format("context {} names no parts to back up", context->name),
                    "Name them: conduitctl backup run postgres, or set backup.parts.");
    TRY(backups->sources(parts)); // a part that is no part is told before anything is locked
    const bool watched = app.console().out_is_terminal() || app.console().err_is_terminal();
    if (!watched && app.global().progress == ProgressMode::automatic) {
        auto global = app.global();
        global.progress = ProgressMode::none;
        app.set_global(global);
    }
    TRY_ASSIGN(auto* target, backup_target(app));
    const auto id = backup::make_id(app.clock().now());
    TRY_ASSIGN(Operations * operations, app.operations());
    auto report =
        operations->change(ops::make_backup_intent(*target, *backups, id, parts), without_end(app, o.change));
    if (!report || report->verdict != ErrorKind::ok || o.change.dry_run || o.change.check ||
        !o.change.plan_out.empty())
        return report;
    TRY_ASSIGN(auto* repository, backups->repository());
    TRY_ASSIGN(const auto text, repository->read_small(id + "/manifest.json"));
    TRY_ASSIGN(const auto manifest, backup::read_manifest(text, id));
    const Json made{{"backup", id},
                    {"bytes", manifest.stored_bytes()},
                    {"started", format_time(manifest.started)},
                    {"finished", format_time(manifest.finished)}};
    report->data->update(made);
    report->hushed = !watched;
    if (!watched)
        report->notes.clear();
    tell_others(app, *context, made, *report);
    if (watched)
        report->next = {fmt::format("conduitctl backup verify {}", id)};
    else
        report->next.clear();
    return report;
}

Result<Report> prune(App& app, const PruneOptions& o)
{
    TRY_ASSIGN(Backups * backups, app.backup());
    TRY_ASSIGN(auto* repository, backups->repository());
    auto retention = backups->retention();
    retention.daily = static_cast<int>(o.daily.value_or(retention.daily));
    retention.weekly = static_cast<int>(o.weekly.value_or(retention.weekly));
    retention.monthly = static_cast<int>(o.monthly.value_or(retention.monthly));
    if (retention.empty())
        return fail(ErrorKind::usage, "nothing says which backups to keep",
                    "Say it: conduitctl context set backup.keep.daily 7, or --keep-daily 7.");
    TRY_ASSIGN(const auto catalog, backup::read_catalog(*repository));
    const auto verdicts = backup::judge(catalog, retention, app.clock().now());
    TRY_ASSIGN(auto* target, backup_target(app));
    const auto intent = ops::prune_intent(*target, catalog, verdicts);
    Json kept = Json::array();
    for (const auto& verdict : verdicts)
        if (verdict.keep)
            kept.push_back({{"id", verdict.id}, {"why", verdict.why}});
    if (intent.steps.empty()) {
        Report report;
        report.data = Json{{"changed", false}, {"kept", kept}};
        report.text = fmt::format("nothing to remove: {} backups are kept\n", kept.size());
        return report;
    }
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(auto report, operations->change(intent, without_end(app, o.change)));
    (*report.data)["kept"] = std::move(kept);
    return report;
}

} // namespace

std::vector<Verb> backup_change_verbs()
{
    std::vector<Verb> verbs;
    verbs.push_back(verb<RunOptions>(
        {.name = "run",
         .summary = "Make a backup of the context's stores and folders",
         .effect = Effect::change,
         .tier = Tier::mild,
         .undo = Undo::none,
         .text = "Each part is a plain, standard file (pg_dump in custom format of one snapshot, tar of a "
                 "folder), "
                 "compressed by zstd and encrypted by age where backup.recipients names somebody; age -d | "
                 "zstd -d "
                 "reads it without conduitctl. The manifest is written last: until then there is no backup. "
                 "Off a "
                 "terminal it says nothing when all is well; backup.metrics gets the figures and "
                 "backup.heartbeat "
                 "is asked after a success only.",
         .examples = {"conduitctl backup run", "conduitctl backup run postgres",
                      "conduitctl backup run folder:/var/lib/conduit"},
         .omitted = {{ErrorKind::stale, "writes nothing that could have moved"},
                     {ErrorKind::unverified, "it ends with the backup"},
                     {ErrorKind::rolled_back, "what was stored of a backup that failed is taken away: 10"}},
         .covers = {"E-roll-bk-1"},
         .backends = {"s3", "postgres"}},
        [](Flags& flags, RunOptions& o) {
            flags.rest("PART", o.parts, "postgres, folder:PATH; without one those of backup.parts");
            change_flags(flags, o.change);
        },
        run));
    verbs.push_back(verb<PruneOptions>(
        {.name = "prune",
         .summary = "Remove old backups, never the newest proven one",
         .effect = Effect::destroy,
         .tier = Tier::severe,
         .undo = Undo::none,
         .text =
             "Keeps the newest of each of the last days, weeks and months, all of the last 24 hours, and the "
             "newest that was restored (L3 or higher), or where none was, the newest sound one. What would "
             "go is "
             "shown first; --dry-run ends there.",
         .examples = {"conduitctl backup prune --dry-run", "conduitctl backup prune --keep-daily 7 --confirm "
                                                           "s3://conduit-backups/prod --reason retention"},
         .omitted = {{ErrorKind::rolled_back, "what is removed is gone: 10"}},
         .backends = {"s3"}},
        [](Flags& flags, PruneOptions& o) {
            flags.opt("--keep-daily", o.daily, "Newest of so many days").between(0, 10'000);
            flags.opt("--keep-weekly", o.weekly, "Newest of so many weeks").between(0, 10'000);
            flags.opt("--keep-monthly", o.monthly, "Newest of so many months").between(0, 10'000);
            change_flags(flags, o.change);
        },
        prune));
    return verbs;
}

} // namespace conduit::commands
