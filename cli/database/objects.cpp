// SPDX-License-Identifier: Apache-2.0
#include "cli/database/objects.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

namespace conduit::sql {
namespace {

// $1: the name, or NULL for all.
constexpr std::string_view k_objects =
    "SELECT c.oid::text AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind, "
    "(current_setting('is_superuser') = 'on' OR pg_has_role(c.relowner, 'USAGE') OR pg_has_role((SELECT "
    "datdba "
    "FROM pg_database WHERE datname = current_database()), 'USAGE'))::text AS owned, "
    "COALESCE((SELECT tn.nspname || '.' || t.relname FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid "
    "JOIN "
    "pg_namespace tn ON tn.oid = t.relnamespace WHERE i.indexrelid = c.oid), '') AS table, "
    "COALESCE((SELECT i.indisvalid FROM pg_index i WHERE i.indexrelid = c.oid), true)::text AS valid "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind::text = ANY ($2::text[]) "
    "AND ($1::text IS NULL OR c.relname = $1 OR n.nspname || '.' || c.relname = $1) ORDER BY 2, 3 LIMIT "
    "20000";

std::string kinds(Want want)
{
    switch (want) {
    case Want::table:
        return "{r,p,m}";
    case Want::index:
        return "{i,I}";
    case Want::either:
        break;
    }
    return "{r,p,m,i,I}";
}

Result<std::vector<Object>> objects(Database& database, const SqlValue& name, const std::string& kinds,
                                    Deadline deadline)
{
    TRY_ASSIGN(const auto found, database.run(request("find", k_objects, {name, kinds}), deadline));
    std::vector<Object> out;
    for (const auto& row : found.rows) {
        if (row.size() < 7 || !row[3] || row[3]->empty())
            return fail(ErrorKind::unknown, "the server's list of tables cannot be read");
        out.push_back({row[0].value_or(""), row[1].value_or(""), row[2].value_or(""), row[3]->front(),
                       row[4] == "true", row[5].value_or(""), row[6] == "true"});
    }
    return out;
}

} // namespace

SqlRequest request(std::string_view verb, std::string_view text, std::vector<SqlValue> values)
{
    return {.text = fmt::format("/* conduitctl {} */ {}", verb, text), .values = std::move(values)};
}

Result<Object> find_object(Database& database, const std::string& name, Want want, Deadline deadline)
{
    const std::string what = want == Want::table ? "table" : want == Want::index ? "index" : "table or index";
    if (name.empty() || name.size() > 130)
        return fail(ErrorKind::usage,
                    fmt::format("'{}' is no name of a {}", printable(name.substr(0, 130)), what));
    TRY_ASSIGN(auto found, objects(database, name, kinds(want), deadline));
    if (found.empty() && to_lower(name) != name) {
        TRY_ASSIGN(found, objects(database, to_lower(name), kinds(want), deadline));
    }
    if (found.size() == 1)
        return std::move(found.front());
    std::vector<std::string> names;
    if (found.size() > 1) {
        for (const auto& one : found)
            names.push_back(printable(one.shown()));
        return fail(ErrorKind::usage,
                    fmt::format("'{}' may be any of {}", printable(name), join(names, ", ")),
                    "Write it with its schema: SCHEMA.NAME");
    }
    TRY_ASSIGN(const auto all, objects(database, std::nullopt, kinds(want), deadline));
    for (const auto& one : all) {
        names.push_back(printable(one.name));
        if (name.contains('.'))
            names.push_back(printable(one.shown()));
    }
    return fail(ErrorKind::not_found, unknown_name(what, printable(name), names),
                want == Want::index ? "List them: conduitctl db indexes" : "List them: conduitctl db sizes");
}

Result<std::vector<Object>> user_tables(Database& database, Deadline deadline)
{
    return objects(database, std::nullopt, "{r,p,m}", deadline);
}

std::string lock_holders(Database& database, const Object& object, Deadline deadline)
{
    const auto held = database.run(
        request(
            "holders",
            "SELECT DISTINCT format('pid %s (%s, user %s) since %s', a.pid, COALESCE(NULLIF("
            "a.application_name, ''), a.backend_type), COALESCE(a.usename::text, '-'), date_trunc('second', "
            "COALESCE(a.xact_start, a.backend_start))) FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
            "WHERE l.granted AND a.pid <> pg_backend_pid() AND l.relation IN (SELECT $1::oid UNION SELECT "
            "indrelid FROM pg_index WHERE indexrelid = $1::oid) LIMIT 5",
            {object.oid}),
        deadline);
    std::vector<std::string> holders;
    if (held)
        for (const auto& row : held->rows)
            holders.push_back(printable(row.front().value_or("")));
    return join(holders, "; ");
}

Result<> set_lock_timeout(Database& database, Duration limit, Deadline deadline)
{
    TRY(database.run(request("lock-timeout", "SELECT set_config('lock_timeout', $1, false)",
                             {std::to_string(limit.count())}),
                     deadline));
    return {};
}

} // namespace conduit::sql
