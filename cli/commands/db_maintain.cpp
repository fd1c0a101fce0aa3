// SPDX-License-Identifier: Apache-2.0
// `db vacuum`, `analyze`, `reindex`, `index create`, `index drop`.
#include "cli/commands/db.hpp"
#include "cli/targets/postgres.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct TableOptions {
    std::string table;
    ops::ChangeOptions change;
};

Json object_json(const sql::Object& object)
{
    return Json{{"oid", object.oid}, {"schema", object.schema}, {"name", object.name}};
}

Error not_ours(const sql::Object& object)
{
    return {ErrorKind::auth, fmt::format("{} belongs to another role", printable(object.shown())),
            "Name its owner or a superuser: conduitctl context set postgres.user NAME"};
}

ops::Intent maintenance(ops::Target& target, std::string verb, std::string resource, std::string action,
                        Json arguments)
{
    ops::Step step;
    step.resource = std::move(resource);
    step.action = std::move(action);
    step.arguments = std::move(arguments);
    step.reversible = false;
    step.undo = "there is nothing to take back: the rows are what they were";
    ops::Intent intent;
    intent.target = &target;
    intent.verb = std::move(verb);
    intent.scope = "tables";
    intent.confirm_name = step.resource;
    intent.tier = ops::Tier::mild;
    intent.undo = ops::UndoKind::none;
    intent.rollback = false;
    intent.steps.push_back(std::move(step));
    return intent;
}

Result<std::vector<sql::Object>> chosen_tables(App& app, const std::string& name)
{
    TRY_ASSIGN(Database * database, app.database());
    const auto deadline = app.deadline(k_db_timeout);
    if (!name.empty()) {
        TRY_ASSIGN(auto table, sql::find_object(*database, name, sql::Want::table, deadline));
        if (!table.owned)
            return not_ours(table);
        return std::vector{std::move(table)};
    }
    TRY_ASSIGN(auto all, sql::user_tables(*database, deadline));
    std::erase_if(
        all, [](const sql::Object& table) { return table.kind == 'p'; }); // their partitions are listed too
    if (all.empty())
        return fail(ErrorKind::not_found, "this database has no tables", "See: conduitctl db sizes");
    const auto foreign = std::ranges::find(all, false, &sql::Object::owned);
    if (foreign != all.end())
        return not_ours(*foreign);
    return all;
}

Result<Report> vacuum_run(App& app, const TableOptions& o, bool vacuum, bool analyze)
{
    TRY_ASSIGN(const auto tables, chosen_tables(app, o.table));
    Json list = Json::array();
    for (const auto& table : tables)
        list.push_back(object_json(table));
    const std::string shown =
        tables.size() == 1 ? printable(tables.front().shown()) : fmt::format("{} tables", tables.size());
    TRY_ASSIGN(ops::Target * target, db_target(app));
    auto intent = maintenance(*target, vacuum ? "db vacuum" : "db analyze", "table/" + shown, "vacuum",
                              Json{{"tables", std::move(list)}, {"vacuum", vacuum}, {"analyze", analyze}});
    intent.summary = fmt::format("{} {}", vacuum ? "vacuum" : "analyze", shown);
    intent.steps.front().summary = vacuum ? "VACUUM (ANALYZE), one table after the other" : "ANALYZE";
    intent.steps.front().verify = "the server says that each was done since";
    if (vacuum)
        intent.lines.emplace_back("disk", "room is made for new rows; the files mostly keep their size");
    intent.watch = "conduitctl db sizes";
    return change_db(app, intent, o.change, true);
}

Result<Report> reindex(App& app, const TableOptions& o)
{
    TRY_ASSIGN(Database * database, app.database());
    TRY_ASSIGN(const auto object,
               sql::find_object(*database, o.table, sql::Want::either, app.deadline(k_db_timeout)));
    if (!object.owned)
        return not_ours(object);
    const bool index = object.kind == 'i' || object.kind == 'I';
    auto arguments = object_json(object);
    arguments["kind"] = index ? "i" : "r";
    TRY_ASSIGN(ops::Target * target, db_target(app));
    auto intent = maintenance(*target, "db reindex",
                              fmt::format("{}/{}", index ? "index" : "table", printable(object.shown())),
                              "reindex", std::move(arguments));
    intent.summary = fmt::format("build {} anew", index ? printable(object.shown())
                                                        : "the indexes of " + printable(object.shown()));
    intent.steps.front().summary = "REINDEX CONCURRENTLY: writes go on";
    intent.steps.front().verify = "each index is valid and lies in a new file";
    intent.lines.emplace_back("disk", "until the end there are both, the old and the new");
    if (const auto holders = sql::lock_holders(*database, object, app.deadline(k_db_timeout));
        !holders.empty())
        intent.lines.emplace_back("in use by", holders);
    intent.watch = "conduitctl db indexes";
    return change_db(app, intent, o.change, true);
}

struct IndexOptions {
    std::string table; // or the index that is dropped
    std::vector<std::string> columns;
    std::string name;
    bool unique = false;
    ops::ChangeOptions change;
};

// As the server itself writes it, so that what stands there can be compared with what was wanted.
constexpr std::string_view k_definition = R"(
SELECT format('CREATE %sINDEX %I ON %I.%I USING btree (%s)', CASE WHEN $5::bool THEN 'UNIQUE ' ELSE '' END, $2::text,
    n.nspname, c.relname, string_agg(quote_ident(a.attname), ', ' ORDER BY w.n)) AS definition,
  count(a.attname) AS found, n.nspname::text AS schema,
  string_agg(w.name, ', ') FILTER (WHERE a.attname IS NULL) AS missing, octet_length($2::text) AS length,
  $4::text AS unused
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  CROSS JOIN jsonb_array_elements_text($3::jsonb) WITH ORDINALITY AS w (name, n)
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = w.name AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.oid = $1::oid GROUP BY n.nspname, c.relname)";

std::string default_name(const sql::Object& table, const std::vector<std::string>& columns)
{
    auto name = fmt::format("idx_{}_{}", table.name, join(columns, "_"));
    constexpr std::size_t k_longest = 63;
    while (name.size() > k_longest || (name.size() == k_longest && !is_valid_utf8(name)))
        name.pop_back();
    return name;
}

Result<ops::Intent> index_intent(App& app, const std::string& verb, const std::string& schema,
                                 const std::string& name, Json after)
{
    TRY_ASSIGN(ops::Target * target, db_target(app));
    ops::Step step;
    step.resource = "index/" + printable(schema + "." + name);
    step.fields.push_back({.path = ops::index_path(schema, name), .after = std::move(after)});
    step.verify = "the server has it, valid and as it was defined";
    step.undo = "it is dropped, or built again as it was";
    ops::Intent intent;
    intent.target = target;
    intent.verb = verb;
    intent.scope = "tables";
    intent.confirm_name = printable(name);
    intent.undo = ops::UndoKind::exact;
    intent.steps.push_back(std::move(step));
    intent.watch = "conduitctl db indexes";
    return intent;
}

Result<Report> index_create(App& app, const IndexOptions& o)
{
    if (o.columns.empty())
        return fail(ErrorKind::usage, "name a column", "conduitctl db index create TABLE COLUMN");
    TRY_ASSIGN(Database * database, app.database());
    const auto deadline = app.deadline(k_db_timeout);
    TRY_ASSIGN(const auto table, sql::find_object(*database, o.table, sql::Want::table, deadline));
    if (!table.owned)
        return not_ours(table);
    if (table.kind == 'p')
        return fail(ErrorKind::refused,
                    fmt::format("{} is partitioned, which no index is built on concurrently",
                                printable(table.shown())),
                    "Build it on each partition: conduitctl db index create PARTITION COLUMN");
    const auto name = o.name.empty() ? default_name(table, o.columns) : o.name;
    TRY_ASSIGN(const auto made, database->run(sql::request("index-definition", k_definition,
                                                           {table.oid, name, dump_json(Json(o.columns)),
                                                            std::nullopt, o.unique ? "t" : "f"}),
                                              deadline));
    if (made.value("missing"))
        return fail(ErrorKind::not_found,
                    fmt::format("table {} has no column {}", printable(table.shown()),
                                printable(*made.value("missing"))),
                    fmt::format("See them: conduitctl db query \"SELECT * FROM {} LIMIT 1\"",
                                printable(table.shown())));
    const auto definition = made.value("definition").value_or("");
    TRY_ASSIGN(auto intent, index_intent(app, "db index create", table.schema, name, Json(definition)));
    auto& step = intent.steps.front();
    TRY_ASSIGN(const auto now,
               intent.target->observe(std::vector<std::string>{step.fields.front().path}, deadline));
    const auto& there = *now.begin()->second.value;
    if (!there.is_null() && there != Json(definition) && o.change.plan_in.empty())
        return Error{ErrorKind::refused, fmt::format("there is another index {}", printable(name))}
            .with_cause(printable(there.is_string() ? there.get<std::string>() : ""))
            .with_hint("Give this one another name: --name NAME");
    intent.tier = ops::Tier::mild;
    intent.summary = fmt::format("build index {} on {}", printable(name), printable(table.shown()));
    step.summary = printable(definition);
    intent.lines.emplace_back("how", "CONCURRENTLY: writes go on; a failed build leaves nothing");
    if (o.columns.size() == 1)
        intent.lines.emplace_back("of use?",
                                  "for a column with few values a partial index is smaller and faster");
    return change_db(app, intent, o.change, true);
}

Result<Report> index_drop(App& app, const IndexOptions& o)
{
    TRY_ASSIGN(Database * database, app.database());
    const auto deadline = app.deadline(k_db_timeout);
    TRY_ASSIGN(const auto index, sql::find_object(*database, o.table, sql::Want::index, deadline));
    if (!index.owned)
        return not_ours(index);
    TRY_ASSIGN(
        const auto needed,
        database->run(sql::request("index-needed",
                                   "SELECT (SELECT string_agg(conname::text, ', ') FROM pg_constraint WHERE "
                                   "conindid = $1::oid) AS constraint, (SELECT idx_scan FROM "
                                   "pg_stat_user_indexes WHERE indexrelid = $1::oid) AS scans",
                                   {index.oid}),
                      deadline));
    if (needed.value("constraint"))
        return fail(ErrorKind::refused,
                    fmt::format("constraint {} needs index {}", printable(*needed.value("constraint")),
                                printable(index.shown())),
                    "It goes with the constraint: ALTER TABLE ... DROP CONSTRAINT.");
    TRY_ASSIGN(auto intent, index_intent(app, "db index drop", index.schema, index.name, Json()));
    auto& step = intent.steps.front();
    if (!index.valid) { // counts as not there, so its end is no change of the field
        step.fields.clear();
        step.action = "drop-invalid";
        step.arguments = Json{{"schema", index.schema}, {"name", index.name}};
        step.reversible = false;
        step.undo = "a failed build is of no use";
        intent.undo = ops::UndoKind::none;
        intent.rollback = false;
    }
    step.summary = index.valid ? fmt::format("of table {}, {} scans on this server", printable(index.table),
                                             needed.value("scans").value_or("?"))
                               : "invalid: what a failed build left";
    step.verify = "the server has it no more";
    intent.tier = ops::Tier::moderate;
    intent.summary = fmt::format("drop index {}", printable(index.shown()));
    intent.lines.emplace_back("how", "CONCURRENTLY: reads and writes go on; undo builds it again");
    return change_db(app, intent, o.change, true);
}

Verb table_verb(VerbDoc doc, bool required, Result<Report> (*run)(App&, const TableOptions&),
                std::string_view help)
{
    return verb<TableOptions>(
        std::move(doc),
        [required, help](Flags& f, TableOptions& o) {
            auto& arg = f.arg("TABLE", o.table, help).complete(table_completer());
            if (!required)
                arg.optional();
            change_flags(f, o.change);
        },
        run);
}

} // namespace

std::vector<Verb> db_maintain_verbs()
{
    const std::vector<std::string_view> backends{"postgres"};
    const std::vector<Omitted> omitted{{ErrorKind::rolled_back, "there is nothing to take back: 10"},
                                       {ErrorKind::stale, "no field is written"}};
    std::vector<Verb> verbs;
    verbs.push_back(table_verb(
        {.name = "vacuum",
         .summary = "Make room of dead rows and refresh statistics",
         .effect = Effect::change,
         .tier = Tier::mild,
         .text = "VACUUM (ANALYZE) of one table, or of all, each a statement of its own. Done when "
                 "the server says so of each; PostgreSQL passes over tables of other owners with "
                 "a warning, this refuses (5).",
         .examples = {"conduitctl db vacuum", "conduitctl db vacuum request_logs"},
         .omitted = omitted,
         .covers = {"E-maint-vac-1"},
         .backends = backends},
        false, [](App& app, const TableOptions& o) { return vacuum_run(app, o, true, true); },
        "Which one; all when left out"));
    verbs.push_back(table_verb(
        {.name = "analyze",
         .summary = "Refresh the planner's statistics",
         .effect = Effect::change,
         .tier = Tier::mild,
         .examples = {"conduitctl db analyze request_logs"},
         .omitted = omitted,
         .covers = {"E-perf-tune-2"},
         .backends = backends},
        false, [](App& app, const TableOptions& o) { return vacuum_run(app, o, false, true); },
        "Which one; all when left out"));
    verbs.push_back(
        table_verb({.name = "reindex",
                    .summary = "Build the indexes of a table anew, or one",
                    .effect = Effect::change,
                    .tier = Tier::mild,
                    .text = "CONCURRENTLY, so that writes and plans go on. Waits 30 s for a lock and no "
                            "longer; what a failed build leaves is dropped.",
                    .examples = {"conduitctl db reindex request_logs"},
                    .omitted = omitted,
                    .covers = {"E-maint-idx-2"},
                    .backends = backends},
                   true, reindex, "A table or an index"));
    verbs.push_back(verb<IndexOptions>(
        {.name = "index create",
         .summary = "Build an index while writes go on",
         .effect = Effect::change,
         .tier = Tier::mild,
         .undo = Undo::exact,
         .text = "Repeatable: when it is there already, nothing changes; when a build failed before, what it "
                 "left is "
                 "dropped first. A build whose conduitctl died is waited for.",
         .examples = {"conduitctl db index create request_logs timestamp"},
         .covers = {"E-perf-tune-1"},
         .backends = backends},
        [](Flags& f, IndexOptions& o) {
            f.arg("TABLE", o.table, "The table").complete(table_completer());
            f.rest("COLUMN", o.columns, "Its columns, the first first");
            f.opt("--name", o.name, "The index's name; idx_TABLE_COLUMN when left out").value("NAME");
            f.flag("--unique", o.unique, "No two rows with the same values");
            change_flags(f, o.change);
        },
        index_create));
    verbs.push_back(verb<IndexOptions>(
        {.name = "index drop",
         .summary = "Drop an index while reads and writes go on",
         .effect = Effect::change,
         .tier = Tier::moderate,
         .undo = Undo::exact,
         .text = "Refused for one that a constraint needs. Undo builds it again.",
         .examples = {"conduitctl db index drop idx_request_logs_timestamp --yes"},
         .backends = backends},
        [](Flags& f, IndexOptions& o) {
            f.arg("INDEX", o.table, "The index").complete(index_completer());
            change_flags(f, o.change);
        },
        index_drop));
    return verbs;
}

} // namespace conduit::commands
