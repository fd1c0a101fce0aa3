// SPDX-License-Identifier: Apache-2.0
// `db sizes`, `db indexes`, `db slow`: where the room and the time go.
#include "cli/commands/db.hpp"
#include "cli/database/masking.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct SizesOptions {
    std::string schema;
    int limit = 20;
};

// By oid: a name in mixed case is not looked up again.
constexpr std::string_view k_sizes = R"(
SELECT n.nspname::text AS schema, c.relname::text AS name, pg_total_relation_size(c.oid) AS total_bytes,
  pg_table_size(c.oid) AS table_bytes, pg_indexes_size(c.oid) AS index_bytes,
  GREATEST(c.reltuples, 0)::bigint AS rows, COALESCE(s.n_dead_tup, 0) AS dead_rows,
  extract(epoch FROM clock_timestamp() - GREATEST(s.last_vacuum, s.last_autovacuum))::float8 AS vacuumed_ago_s,
  extract(epoch FROM clock_timestamp() - GREATEST(s.last_analyze, s.last_autoanalyze))::float8 AS analyzed_ago_s
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND ($1::text IS NULL OR n.nspname = $1)
ORDER BY 3 DESC LIMIT $2::int)";

Result<Report> sizes(App& app, const SizesOptions& o)
{
    TRY_ASSIGN(const auto rows,
               ask_db(app, "sizes", k_sizes,
                      {o.schema.empty() ? SqlValue() : SqlValue(o.schema), std::to_string(o.limit)}));
    TRY_ASSIGN(const auto whole, ask_db(app, "size", "SELECT pg_database_size(current_database()) AS bytes"));
    const auto right = Column::Align::right;
    using enum Column::Format;
    auto report = list_report(
        sql_items(rows),
        {{.head = "SCHEMA", .field = "schema"},
         {.head = "TABLE", .field = "name"},
         {.head = "TOTAL", .field = "total_bytes", .format = bytes, .align = right},
         {.head = "DATA", .field = "table_bytes", .format = bytes, .align = right},
         {.head = "INDEXES", .field = "index_bytes", .format = bytes, .align = right},
         {.head = "ROWS~", .field = "rows", .format = integer, .align = right},
         {.head = "DEAD", .field = "dead_rows", .format = integer, .align = right},
         {.head = "VACUUMED", .field = "vacuumed_ago_s", .format = age, .align = right},
         {.head = "ANALYZED", .field = "analyzed_ago_s", .format = age, .align = right, .wide_only = true}});
    const auto database = sql_items(whole);
    if (database.size() == 1) {
        (*report.data)["database_bytes"] = database[0]["bytes"];
        report.notes.push_back(
            fmt::format("the whole database: {}",
                        human_bytes(static_cast<std::uint64_t>(json_number_or(database[0], "bytes", 0)))));
    }
    return report;
}

struct IndexesOptions {
    bool unused = false;
    bool invalid = false;
    int limit = 100;
};

constexpr std::string_view k_indexes = R"(
SELECT n.nspname::text AS schema, t.relname::text AS table, c.relname::text AS name,
  pg_relation_size(c.oid) AS bytes, COALESCE(s.idx_scan, 0) AS scans, i.indisunique AS unique,
  i.indisprimary AS primary, EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid) AS constraint,
  i.indisvalid AND i.indisready AS valid,
  EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid) AS building,
  pg_get_indexdef(c.oid) AS definition
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = c.oid
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind = 'i'
  AND (NOT $1::bool OR (COALESCE(s.idx_scan, 0) = 0 AND NOT i.indisunique AND NOT i.indisexclusion
    AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid)))
  AND (NOT $2::bool OR NOT (i.indisvalid AND i.indisready))
ORDER BY bytes DESC LIMIT $3::int)";

constexpr std::string_view k_stats_age = R"(
SELECT extract(epoch FROM clock_timestamp() - COALESCE(stats_reset, pg_postmaster_start_time()))::float8 AS age_s,
  stats_reset IS NOT NULL AS reset, pg_is_in_recovery() AS standby,
  (SELECT count(*) FROM pg_stat_replication) AS standbys
FROM pg_stat_database WHERE datname = current_database())";

void note_counters(const Json& counters, std::vector<std::string>& notes)
{
    notes.push_back(fmt::format("scans are counted on this server alone, for {} at least{}",
                                human_seconds(json_number_or(counters, "age_s", 0)),
                                json_bool_or(counters, "reset", false) ? " (since their reset)" : ""));
    if (json_bool_or(counters, "standby", false) || json_number_or(counters, "standbys", 0) > 0)
        notes.emplace_back(
            "other servers of this cluster may use an index that this one does not: look there too");
}

Result<Report> indexes(App& app, const IndexesOptions& o)
{
    TRY_ASSIGN(const auto rows,
               ask_db(app, "indexes", k_indexes,
                      {o.unused ? "t" : "f", o.invalid ? "t" : "f", std::to_string(o.limit)}));
    TRY_ASSIGN(auto counters, ask_db_row(app, "counters", k_stats_age));
    const auto right = Column::Align::right;
    using enum Column::Format;
    auto report =
        list_report(sql_items(rows), {{.head = "TABLE", .field = "table"},
                                      {.head = "INDEX", .field = "name"},
                                      {.head = "SIZE", .field = "bytes", .format = bytes, .align = right},
                                      {.head = "SCANS", .field = "scans", .format = integer, .align = right},
                                      {.head = "UNIQUE", .field = "unique", .format = yes_no},
                                      {.head = "CONSTRAINT", .field = "constraint", .format = yes_no},
                                      {.head = "VALID", .field = "valid", .format = yes_no},
                                      {.head = "DEFINITION", .field = "definition", .wide_only = true}});
    note_counters(*counters, report.notes);
    (*report.data)["counters"] = *counters;
    for (const auto& row : (*report.data)["items"])
        if (!json_bool_or(row, "valid", true) && !json_bool_or(row, "building", false))
            report.next.push_back(
                fmt::format("conduitctl db index drop {}", json_string_or(row, "name", "")));
    return report;
}

struct SlowOptions {
    std::string sort = "total";
    int limit = 20;
    bool texts = false;
};

// Where pg_stat_statements can be asked; its schema is not in our search path.
constexpr std::string_view k_extension = R"(
SELECT n.nspname::text AS schema,
  EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements') AS available,
  current_setting('server_version_num')::int AS version
FROM (SELECT 1) one LEFT JOIN pg_extension e ON e.extname = 'pg_stat_statements'
  LEFT JOIN pg_namespace n ON n.oid = e.extnamespace)";

constexpr std::string_view k_statements = R"(
SELECT s.query, s.calls, s.{0}::float8 AS total_ms, s.{1}::float8 AS mean_ms, s.rows,
  COALESCE(r.rolname::text, '-') AS user
FROM {2}.pg_stat_statements s LEFT JOIN pg_roles r ON r.oid = s.userid
WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY {3} DESC LIMIT $1::int)";

constexpr std::string_view k_running = R"(
SELECT query, pid, COALESCE(usename::text, '-') AS user, application_name AS app, state,
  extract(epoch FROM clock_timestamp() - query_start)::float8 * 1000 AS running_ms,
  COALESCE(wait_event_type || ':' || wait_event, '-') AS waits_for, pg_blocking_pids(pid)::text AS blocked_by
FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'idle'
  AND datname = current_database()
ORDER BY query_start LIMIT $1::int)";

Json masked_items(const SqlResult& rows, bool texts)
{
    auto items = sql_items(rows);
    for (auto& item : items)
        if (item["query"].is_string()) {
            const auto text = item["query"].get<std::string>();
            item["query"] = texts ? text : sql::masked(text);
        }
    return items;
}

Result<Report> running_now(App& app, const SlowOptions& o, std::string why, std::string how)
{
    TRY_ASSIGN(const auto rows, ask_db(app, "running", k_running, {std::to_string(o.limit)}));
    const auto right = Column::Align::right;
    using enum Column::Format;
    auto report =
        list_report(masked_items(rows, o.texts),
                    {{.head = "PID", .field = "pid", .format = integer, .align = right},
                     {.head = "RUNS", .field = "running_ms", .format = milliseconds, .align = right},
                     {.head = "STATE", .field = "state"},
                     {.head = "WAITS-FOR", .field = "waits_for"},
                     {.head = "BLOCKED-BY", .field = "blocked_by"},
                     {.head = "USER", .field = "user"},
                     {.head = "QUERY", .field = "query"}});
    (*report.data)["source"] = "pg_stat_activity";
    report.notes = {std::move(why), "shown instead: what runs at this moment", std::move(how)};
    return report;
}

Result<Report> slow(App& app, const SlowOptions& o)
{
    TRY_ASSIGN(const auto extension, ask_db_row(app, "extension", k_extension));
    const auto schema = json_string_or(*extension, "schema", "");
    constexpr auto k_preload =
        "Load it: conduitctl db tune shared_preload_libraries=pg_stat_statements, and restart the server";
    if (schema.empty())
        return running_now(app, o, "pg_stat_statements is not installed in this database",
                           json_bool_or(*extension, "available", false)
                               ? fmt::format("{}; then CREATE EXTENSION pg_stat_statements", k_preload)
                               : "The server's package for it is missing (postgresql-contrib).");
    const bool newer = json_number_or(*extension, "version", 0) >= 130'000; // the columns were renamed
    const auto* total = newer ? "total_exec_time" : "total_time";
    const auto* mean = newer ? "mean_exec_time" : "mean_time";
    auto rows = ask_db(
        app, "statements",
        fmt::format(k_statements, total, mean, sql_name(schema), o.sort == "mean" ? "mean_ms" : "total_ms"),
        {std::to_string(o.limit)});
    if (!rows && sql_state(rows.error()) == "55000")
        return running_now(app, o, "pg_stat_statements is installed, but the server has not loaded it",
                           k_preload);
    TRY_ASSIGN(const auto found, std::move(rows));
    const auto right = Column::Align::right;
    using enum Column::Format;
    auto report = list_report(masked_items(found, o.texts),
                              {{.head = "TOTAL", .field = "total_ms", .format = milliseconds, .align = right},
                               {.head = "MEAN", .field = "mean_ms", .format = milliseconds, .align = right},
                               {.head = "CALLS", .field = "calls", .format = integer, .align = right},
                               {.head = "ROWS", .field = "rows", .format = integer, .align = right},
                               {.head = "USER", .field = "user"},
                               {.head = "QUERY", .field = "query"}});
    (*report.data)["source"] = "pg_stat_statements";
    report.name_field = "query";
    if (o.sort == "mean")
        report.notes.emplace_back("by mean, rare statements come first; what costs most: --sort total");
    return report;
}

} // namespace

std::vector<Verb> db_look_verbs()
{
    const std::vector<std::string_view> backends{"postgres"};
    std::vector<Verb> verbs;
    verbs.push_back(verb<SizesOptions>(
        {.name = "sizes",
         .summary = "The largest tables, with their indexes and dead rows",
         .examples = {"conduitctl db sizes", "conduitctl db sizes --schema public --limit 10"},
         .covers = {"E-maint-vac-2"},
         .backends = backends},
        [](Flags& f, SizesOptions& o) {
            f.opt("--schema", o.schema, "Only of this schema").value("NAME");
            f.opt("--limit", o.limit, "How many").between(1, 10'000);
        },
        sizes));
    verbs.push_back(verb<IndexesOptions>(
        {.name = "indexes",
         .summary = "Indexes, how large and how used they are",
         .text = "--unused leaves out what a constraint needs. Nothing is ever dropped by itself: scans are "
                 "counted "
                 "on this server alone and since their last reset, both of which are said.",
         .examples = {"conduitctl db indexes --unused", "conduitctl db indexes --invalid"},
         .covers = {"E-maint-idx-1"},
         .backends = backends},
        [](Flags& f, IndexesOptions& o) {
            f.flag("--unused", o.unused, "Only those that nothing has used and no constraint needs");
            f.flag("--invalid", o.invalid, "Only those that a failed build left");
            f.opt("--limit", o.limit, "How many").between(1, 10'000);
        },
        indexes));
    verbs.push_back(verb<SlowOptions>(
        {.name = "slow",
         .summary = "The statements that take the server's time",
         .text = "From pg_stat_statements; where that is missing or not loaded it says so, and shows what "
                 "runs now. "
                 "Literals are masked: they may be personal data.",
         .examples = {"conduitctl db slow", "conduitctl db slow --sort mean --limit 5"},
         .covers = {"E-perf-slow-1"},
         .backends = backends},
        [](Flags& f, SlowOptions& o) {
            f.choice("--sort", o.sort, {"total", "mean"}, "By all of their time, or by that of one call");
            f.opt("--limit", o.limit, "How many").between(1, 1'000);
            f.flag("--texts", o.texts, "Show the literals too");
        },
        slow));
    return verbs;
}

} // namespace conduit::commands
