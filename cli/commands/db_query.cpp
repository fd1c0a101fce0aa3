// SPDX-License-Identifier: Apache-2.0
// `db query`: one statement that reads, in a transaction that cannot write.
#include "cli/commands/db.hpp"
#include "cli/database/masking.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

constexpr std::size_t k_statement_limit = 1U << 20U;

struct QueryOptions {
    std::string sql;
    fs::path from_file;
    int limit = 200;
    ByteCount bytes{8U << 20U};
    bool csv = false;
    bool own_role = false;
};

Result<std::string> statement_of(App& app, const QueryOptions& o)
{
    if (o.sql.empty() == o.from_file.empty())
        return fail(ErrorKind::usage, "give one statement: as the argument, or with --from-file",
                    "conduitctl db query \"SELECT version()\"");
    if (o.from_file.empty())
        return o.sql;
    return read_file(expand_home(o.from_file.string(), app.paths().home.string()), k_statement_limit);
}

// A transaction that is read-only still lets COPY ... TO PROGRAM, DO and the like through.
Result<> check_reads(const std::string& statement)
{
    static constexpr std::array<std::string_view, 6> k_reads{"SELECT", "WITH", "TABLE",
                                                             "VALUES", "SHOW", "EXPLAIN"};
    const auto word = sql::first_word(statement);
    if (std::ranges::find(k_reads, word) != k_reads.end())
        return {};
    return fail(ErrorKind::refused,
                word.empty() ? std::string("the statement is empty")
                             : fmt::format("{} is nothing that only reads", printable(word)),
                "A statement begins with SELECT, WITH, TABLE, VALUES, SHOW or EXPLAIN here.");
}

Result<> set_local(Database& database, std::string_view name, const std::string& value, Deadline deadline)
{
    TRY(database.run(
        sql::request("query-setup", "SELECT set_config($1, $2, true)", {std::string(name), value}),
        deadline));
    return {};
}

// A superuser reads as pg_read_all_data does: tables, and no files, no other sessions, no programs.
Result<> step_down(Database& database, Deadline deadline)
{
    TRY_ASSIGN(const auto asked,
               database.run(
                   sql::request("query-role",
                                "SELECT current_setting('is_superuser') = 'on' AS superuser, EXISTS (SELECT "
                                "FROM pg_roles WHERE rolname = 'pg_read_all_data') AS reader"),
                   deadline));
    if (asked.value("superuser") == "t" && asked.value("reader") == "t")
        TRY(set_local(database, "role", "pg_read_all_data", deadline));
    return {};
}

Result<SqlResult> run_query(Database& database, const QueryOptions& o, const std::string& statement,
                            Deadline deadline)
{
    TRY_ASSIGN(const auto transaction, SqlTransaction::begin(database, "READ ONLY", deadline));
    TRY_ASSIGN(
        const auto path,
        database.run(sql::request("query-path", "SELECT reset_val AS path FROM pg_settings WHERE name = "
                                                "'search_path'"),
                     deadline));
    TRY(set_local(database, "statement_timeout", std::to_string(deadline.left().count() + 1), deadline));
    if (!o.own_role)
        TRY(step_down(database, deadline));
    if (const auto own = path.value("path"))
        TRY(set_local(database, "search_path", *own, deadline));
    return database.run({.text = "/* conduitctl db query */ " + statement,
                         .values = {},
                         .limits = {.rows = static_cast<std::size_t>(o.limit), .bytes = o.bytes.value}},
                        deadline);
}

std::string csv_field(const std::string& text)
{
    if (text.find_first_of(",\"\r\n") == std::string::npos)
        return text;
    return '"' + replace_all(text, "\"", "\"\"") + '"';
}

// RFC 4180; NULL is nothing, the empty text is "".
std::string csv_text(const SqlResult& result)
{
    std::string out;
    const auto line = [&out](const std::vector<std::string>& fields) { out += join(fields, ",") + "\r\n"; };
    std::vector<std::string> heads;
    for (const auto& name : sql_names(result))
        heads.push_back(csv_field(name));
    line(heads);
    for (const auto& row : result.rows) {
        std::vector<std::string> fields;
        for (const auto& value : row)
            fields.push_back(!value ? "" : value->empty() ? "\"\"" : csv_field(sanitize_utf8(*value)));
        line(fields);
    }
    return out;
}

Result<Report> query(App& app, const QueryOptions& o)
{
    TRY_ASSIGN(const auto statement, statement_of(app, o));
    TRY(check_reads(statement));
    TRY_ASSIGN(Database * database, app.database());
    TRY_ASSIGN(const auto result, run_query(*database, o, statement, app.deadline(k_db_timeout)));
    auto report = list_report(sql_items(result), {});
    const auto names = sql_names(result);
    for (const auto& name : names)
        report.columns.push_back({.head = printable(name), .field = name});
    (*report.data)["columns"] = names;
    (*report.data)["rows"] = result.rows.size();
    (*report.data)["truncated"] = result.truncated;
    if (o.csv)
        report.text = csv_text(result);
    if (result.truncated)
        report.notes.push_back(
            fmt::format("there is more: {} rows are shown; see --limit and --bytes", result.rows.size()));
    else if (result.rows.empty())
        report.notes.emplace_back("no row");
    if (!names.empty())
        report.name_field = names.front();
    return report;
}

} // namespace

Verb db_query_verb()
{
    return verb<QueryOptions>(
        {.name = "query",
         .summary = "Read with one statement of your own",
         .text = "In a transaction that is read-only, with a time limit on the server, and for a superuser "
                 "with the "
                 "rights of pg_read_all_data alone. The answer is cut off at --limit rows and --bytes, and "
                 "says so.",
         .examples = {"conduitctl db query \"SELECT count(*) FROM request_logs\"",
                      "conduitctl db query \"TABLE models\" --csv --limit 1000",
                      "conduitctl db query --from-file report.sql -o json"},
         .also = {ErrorKind::refused},
         .backends = {"postgres"}},
        [](Flags& f, QueryOptions& o) {
            f.arg("SQL", o.sql, "The statement").optional();
            f.opt("--from-file", o.from_file, "A file with the statement");
            f.opt("--limit", o.limit, "How many rows").between(1, 1'000'000);
            f.opt("--bytes", o.bytes, "How much of them");
            f.flag("--csv", o.csv, "As CSV (RFC 4180)");
            f.flag("--own-role", o.own_role, "A superuser keeps all rights but writing");
        },
        query);
}

} // namespace conduit::commands
