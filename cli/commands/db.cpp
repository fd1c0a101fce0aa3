// SPDX-License-Identifier: Apache-2.0
// `db`: the PostgreSQL of the context.
#include "cli/commands/db.hpp"

#include "cli/commands/all.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

Result<std::vector<Candidate>> names_of(App& app, std::string_view text)
{
    TRY_ASSIGN(Database * database, app.database());
    TRY_ASSIGN(const auto found, database->run(sql::request("completion", text), app.deadline(2s)));
    std::vector<Candidate> out;
    for (const auto& row : found.rows)
        out.push_back({row[0].value_or(""), row.size() > 1 ? row[1].value_or("") : ""});
    return out;
}

} // namespace

Result<SqlResult> ask_db(App& app, std::string_view verb, std::string_view text, std::vector<SqlValue> values)
{
    TRY_ASSIGN(Database * database, app.database());
    return database->run(sql::request(verb, text, std::move(values)), app.deadline(k_db_timeout));
}

Result<JsonBox> ask_db_row(App& app, std::string_view verb, std::string_view text,
                           std::vector<SqlValue> values)
{
    TRY_ASSIGN(const auto found, ask_db(app, verb, text, std::move(values)));
    auto items = sql_items(found);
    if (items.size() != 1)
        return fail(ErrorKind::unknown, "the server's answer is not one row");
    return JsonBox(std::move(items[0]));
}

Result<ops::Target*> db_target(App& app)
{
    TRY_ASSIGN(Operations * operations, app.operations());
    return operations->target("postgres");
}

Result<Report> change_db(App& app, const ops::Intent& intent, ops::ChangeOptions options, bool long_work)
{
    TRY_ASSIGN(Operations * operations, app.operations());
    if (long_work && !app.global().timeout)
        options.timeout = k_db_work_timeout;
    return operations->change(intent, options);
}

Completer table_completer()
{
    return {.key = "db-tables", .fetch = [](App& app, std::span<const std::string>) {
                return names_of(app,
                                "SELECT relname::text, schemaname::text FROM pg_stat_user_tables ORDER BY 1 "
                                "LIMIT 1000");
            }};
}

Completer index_completer()
{
    return {.key = "db-indexes", .fetch = [](App& app, std::span<const std::string>) {
                return names_of(
                    app, "SELECT indexrelname::text, relname::text FROM pg_stat_user_indexes ORDER BY 1 "
                         "LIMIT 1000");
            }};
}

std::string human_seconds(double seconds)
{
    return human_duration(Duration(static_cast<std::int64_t>(seconds * 1000)));
}

Noun db()
{
    std::vector<Verb> verbs = db_state_verbs();
    for (auto& verb : db_look_verbs())
        verbs.push_back(std::move(verb));
    verbs.push_back(db_query_verb());
    verbs.push_back(db_kill_idle_verb());
    for (auto& verb : db_maintain_verbs())
        verbs.push_back(std::move(verb));
    verbs.push_back(db_archive_verb());
    verbs.push_back(db_tune_verb());
    verbs.push_back(db_restart_verb());
    return {.name = "db",
            .summary = "The PostgreSQL of the context",
            .group = Group::stores,
            .verbs = std::move(verbs)};
}

} // namespace conduit::commands
