// SPDX-License-Identifier: Apache-2.0
// `db archive`: old rows into another table, none lost and none twice.
#include "cli/commands/db.hpp"
#include "cli/database/archive.hpp"
#include "cli/targets/postgres.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct ArchiveOptions {
    std::string table;
    Duration older{90LL * 24 * 3600 * 1000};
    std::string column, to;
    int batch = 10'000;
    ops::ChangeOptions change;
};

ops::Intent archive_intent(ops::Target& target, const sql::ArchivePlan& plan)
{
    const auto& job = plan.job;
    const auto from = printable(job.schema + "." + job.table),
               to = printable(job.to_schema + "." + job.to_table);
    ops::Step step;
    step.resource = "table/" + from;
    step.action = "archive";
    auto arguments = sql::archive_json(job);
    arguments["total"] = plan.total;
    step.arguments = std::move(arguments);
    step.bound = plan.rows;
    step.summary =
        fmt::format("move rows to {} whose {} is before {}", to, printable(job.column), job.cutoff);
    step.verify = "no row that old is left; each batch added as many rows as it took";
    step.undo = fmt::format("the rows stand in {}: INSERT ... SELECT brings them back", to);
    step.reversible = false;
    ops::Intent intent;
    intent.target = &target;
    intent.verb = "db archive";
    intent.scope = "tables";
    intent.summary = fmt::format("archive {} rows of {}", plan.rows, from);
    intent.confirm_name = printable(job.table);
    intent.tier = ops::Tier::moderate;
    intent.undo = ops::UndoKind::none;
    intent.rollback = false;
    intent.steps.push_back(std::move(step));
    intent.lines = {
        {"cut-off", fmt::format("{}, one for all batches and for a resume", job.cutoff)},
        {"batches", fmt::format("of {} rows, each a transaction of its own", job.batch)},
        {"disk", "a DELETE gives none back: see db vacuum, or drop partitions instead"},
        {"disk needed", fmt::format("about {} for the archive and as much of WAL, before anything is freed",
                                    human_bytes(static_cast<std::uint64_t>(static_cast<double>(plan.rows) *
                                                                           plan.row_bytes)))}};
    for (const auto& warning : plan.warnings)
        intent.lines.emplace_back("mind", warning);
    intent.watch = "conduitctl db sizes";
    return intent;
}

Result<Report> archive(App& app, const ArchiveOptions& o)
{
    if (o.older < std::chrono::hours{1})
        return fail(ErrorKind::usage, "--older is at least an hour",
                    "conduitctl db archive TABLE --older 90d");
    TRY_ASSIGN(Database * database, app.database());
    TRY_ASSIGN(const auto plan,
               sql::plan_archive(
                   *database,
                   {.table = o.table, .to = o.to, .column = o.column, .older = o.older, .batch = o.batch},
                   app.deadline(k_db_work_timeout)));
    if (plan.rows == 0 && o.change.plan_in.empty()) {
        Report report;
        report.data = Json{{"operation", nullptr}, {"changed", false}, {"verdict", "ok"}, {"verified", true}};
        report.notes = {
            fmt::format("no row of {} is older than {}", printable(plan.job.table), plan.job.cutoff)};
        return report;
    }
    TRY_ASSIGN(ops::Target * target, db_target(app));
    return change_db(app, archive_intent(*target, plan), o.change, true);
}

} // namespace

Verb db_archive_verb()
{
    return verb<ArchiveOptions>(
        {.name = "archive",
         .summary = "Move old rows to an archive table, in batches",
         .effect = Effect::change,
         .tier = Tier::moderate,
         .undo = Undo::none,
         .text = "One moment is the cut-off of the whole run. Each batch deletes and inserts in one "
                 "transaction and "
                 "is kept only when as many rows arrived as left, so that it can be cut off anywhere and "
                 "resumed. "
                 "Refused beforehand: columns that differ, partitions, rows that other tables refer to.",
         .examples = {"conduitctl db archive request_logs --older 90d --dry-run",
                      "conduitctl db archive request_logs --older 90d --column timestamp --to "
                      "request_logs_archive --yes"},
         .omitted = {{ErrorKind::rolled_back, "batches that were moved stand: 10"},
                     {ErrorKind::stale, "the cut-off is part of the plan"}},
         .covers = {"E-maint-arch-1", "E-maint-arch-2", "E-maint-arch-3"},
         .backends = {"postgres"}},
        [](Flags& f, ArchiveOptions& o) {
            f.arg("TABLE", o.table, "Whose rows").complete(table_completer());
            f.opt("--older", o.older, "Older than this");
            f.opt("--column", o.column, "Which column says how old a row is").value("NAME");
            f.opt("--batch", o.batch, "Rows a transaction").between(1, 1'000'000);
            f.opt("--to", o.to, "The archive's table; TABLE_archive when left out").value("TABLE");
            change_flags(f, o.change);
        },
        archive);
}

} // namespace conduit::commands
