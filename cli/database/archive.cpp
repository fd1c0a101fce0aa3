// SPDX-License-Identifier: Apache-2.0
#include "cli/database/archive.hpp"

#include "cli/database/objects.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

namespace conduit::sql {
namespace {

constexpr std::string_view k_columns =
    "SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attgenerated <> '' AS "
    "made, "
    "a.attnotnull AND a.atthasdef = false AND a.attidentity = '' AS needed FROM pg_attribute a "
    "WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

constexpr std::string_view k_dangers =
    "SELECT (SELECT string_agg(format('%I.%I', n.nspname, c.relname), ', ') FROM pg_constraint k JOIN "
    "pg_class c "
    "ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE k.contype = 'f' AND "
    "k.confrelid = "
    "$1::oid) AS referenced, EXISTS (SELECT FROM pg_inherits WHERE inhparent = $1::oid) AS children, "
    "EXISTS (SELECT FROM pg_inherits WHERE inhrelid = $1::oid) AS child, "
    "EXISTS (SELECT FROM pg_trigger WHERE tgrelid = $1::oid AND NOT tgisinternal AND tgenabled <> 'D' AND "
    "tgtype & 8 <> 0) AS triggers, "
    "(SELECT relrowsecurity FROM pg_class WHERE oid = $1::oid) AND (current_setting('is_superuser') = 'off') "
    "AS "
    "policies, "
    "EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = "
    "i.indkey[0] "
    "WHERE i.indrelid = $1::oid AND i.indisvalid AND a.attname = $2) AS indexed, "
    "(SELECT GREATEST(reltuples, 0)::bigint FROM pg_class WHERE oid = $1::oid) AS total, "
    "pg_table_size($1::oid) AS size";

struct Column {
    std::string name, type;
    bool made = false;   // generated from others
    bool needed = false; // has no default and takes no NULL
};

Result<std::vector<Column>> columns_of(Database& database, const Object& table, Deadline deadline)
{
    TRY_ASSIGN(const auto found, database.run(request("columns", k_columns, {table.oid}), deadline));
    std::vector<Column> out;
    for (const auto& row : found.rows) {
        if (row.size() < 4)
            return fail(ErrorKind::unknown, fmt::format("the columns of {} cannot be read", table.shown()));
        out.push_back({row[0].value_or(""), row[1].value_or(""), row[2] == "t", row[3] == "t"});
    }
    return out;
}

bool tells_time(const Column& column)
{
    return column.type == "date" || column.type.starts_with("timestamp");
}

Result<Column> age_column(const Object& table, const std::vector<Column>& columns, const std::string& wanted)
{
    std::vector<std::string> candidates;
    for (const auto& column : columns)
        if (tells_time(column))
            candidates.push_back(printable(column.name));
    const auto hint = candidates.empty()
                          ? std::string("It has none with times.")
                          : fmt::format("Name one: --column {}", join(candidates, ", --column "));
    if (wanted.empty() && candidates.size() != 1)
        return fail(ErrorKind::usage,
                    fmt::format("which column of {} says how old a row is", printable(table.shown())), hint);
    for (const auto& column : columns) {
        if (wanted.empty() ? !tells_time(column) : column.name != wanted)
            continue;
        if (!tells_time(column))
            return fail(ErrorKind::usage,
                        fmt::format("column {} of {} is of type {}, which tells no time",
                                    printable(column.name), printable(table.shown()), column.type),
                        hint);
        return column;
    }
    return fail(ErrorKind::not_found,
                fmt::format("table {} has no column {}", printable(table.shown()), printable(wanted)), hint);
}

// What is in one and not in the other would be lost, or would stop the work half-way.
Result<std::vector<std::string>> common_columns(const Object& from, const std::vector<Column>& mine,
                                                const Object& to, const std::vector<Column>& theirs)
{
    std::map<std::string, Column> there;
    for (const auto& column : theirs)
        there[column.name] = column;
    std::vector<std::string> names, wrong;
    for (const auto& column : mine) {
        const auto found = there.find(column.name);
        const auto shown = printable(column.name);
        if (found == there.end())
            wrong.push_back(fmt::format("{} is missing in {}", shown, printable(to.shown())));
        else if (found->second.type != column.type)
            wrong.push_back(
                fmt::format("{} is {} here and {} there", shown, column.type, found->second.type));
        else if (!found->second.made)
            names.push_back(column.name);
        if (found != there.end())
            there.erase(found);
    }
    for (const auto& [name, column] : there)
        if (column.needed)
            wrong.push_back(fmt::format("{} of {} would stay empty and must not", printable(name),
                                        printable(to.shown())));
    if (!wrong.empty())
        return Error{ErrorKind::refused, fmt::format("{} and {} do not have the same columns",
                                                     printable(from.shown()), printable(to.shown()))}
            .with_cause(join(wrong, "; "))
            .with_hint("Change the archive's table first: ALTER TABLE ... ADD COLUMN.");
    return names;
}

Result<Object> archive_table(Database& database, const Object& from, const std::string& wanted,
                             Deadline deadline)
{
    const auto name = wanted.empty() ? from.shown() + "_archive" : wanted;
    auto found = find_object(database, name, Want::table, deadline);
    if (!found && found.error().kind == ErrorKind::not_found)
        return std::move(found).error().with_hint(fmt::format(
            "Make it: CREATE TABLE {}.{} (LIKE {} INCLUDING DEFAULTS); or name another: --to TABLE",
            sql_name(from.schema), sql_name(wanted.empty() ? from.name + "_archive" : wanted),
            from.quoted()));
    return found;
}

Result<> check_dangers(const Object& from, const SqlResult& dangers)
{
    const auto shown = printable(from.shown());
    if (from.kind != 'r' || dangers.value("children") == "t" || dangers.value("child") == "t")
        return fail(
            ErrorKind::refused, fmt::format("{} has partitions, or is one", shown),
            "Detach the old ones instead: ALTER TABLE ... DETACH PARTITION ... CONCURRENTLY. That gives the "
            "disk back at once.");
    if (dangers.value("referenced"))
        return Error{ErrorKind::refused, fmt::format("other tables refer to rows of {}", shown)}
            .with_cause(printable(*dangers.value("referenced")))
            .with_hint(
                "Their rows would be deleted or changed with these and not archived: archive those tables "
                "first, or drop the foreign keys.");
    if (dangers.value("policies") == "t")
        return fail(ErrorKind::refused, fmt::format("row security hides rows of {} from this role", shown),
                    "Name a role that sees all: conduitctl context set postgres.user NAME");
    return {};
}

std::int64_t whole(const SqlValue& text)
{
    std::int64_t out = 0;
    if (text)
        std::from_chars(text->data(), text->data() + text->size(), out);
    return out;
}

std::string from_of(const ArchiveJob& job)
{
    return sql_name(job.schema) + "." + sql_name(job.table);
}

std::string older(const ArchiveJob& job)
{
    return fmt::format("{} < $1::{}", sql_name(job.column), job.type);
}

} // namespace

Json archive_json(const ArchiveJob& job)
{
    return Json{{"schema", job.schema},     {"table", job.table},     {"to_schema", job.to_schema},
                {"to_table", job.to_table}, {"column", job.column},   {"type", job.type},
                {"cutoff", job.cutoff},     {"columns", job.columns}, {"batch", job.batch}};
}

Result<ArchiveJob> archive_from_json(const Json& document)
{
    ArchiveJob job;
    for (const auto& [key, into] : {std::pair{"schema", &job.schema},
                                    {"table", &job.table},
                                    {"to_schema", &job.to_schema},
                                    {"to_table", &job.to_table},
                                    {"column", &job.column},
                                    {"type", &job.type},
                                    {"cutoff", &job.cutoff}}) {
        TRY_ASSIGN(*into, json_string(document, key));
    }
    // It is written into statements as it is.
    constexpr std::string_view k_letters = "abcdefghijklmnopqrstuvwxyz ()0123456789";
    if (!(job.type == "date" || job.type.starts_with("timestamp")) ||
        job.type.find_first_not_of(k_letters) != std::string::npos)
        return fail(ErrorKind::usage, fmt::format("'{}' is no type of a time", printable(job.type)));
    const auto* columns = json_find(document, "columns");
    if (columns == nullptr || !columns->is_array() || columns->empty())
        return fail(ErrorKind::usage, "the plan names no columns");
    for (const auto& column : *columns) {
        if (!column.is_string())
            return fail(ErrorKind::usage, "the name of a column is a text");
        job.columns.push_back(column.get<std::string>());
    }
    job.batch = static_cast<int>(std::clamp(json_number_or(document, "batch", 10'000), 1.0, 1e6));
    return job;
}

Result<ArchivePlan> plan_archive(Database& database, const ArchiveWish& wish, Deadline deadline)
{
    ArchivePlan plan;
    TRY_ASSIGN(const auto from, find_object(database, wish.table, Want::table, deadline));
    TRY_ASSIGN(const auto to, archive_table(database, from, wish.to, deadline));
    if (from.oid == to.oid)
        return fail(ErrorKind::usage, "a table is not its own archive");
    TRY_ASSIGN(const auto mine, columns_of(database, from, deadline));
    TRY_ASSIGN(const auto theirs, columns_of(database, to, deadline));
    TRY_ASSIGN(const auto age, age_column(from, mine, wish.column));
    TRY_ASSIGN(const auto dangers,
               database.run(request("dangers", k_dangers, {from.oid, age.name}), deadline));
    TRY(check_dangers(from, dangers));
    plan.job = {.schema = from.schema,
                .table = from.name,
                .to_schema = to.schema,
                .to_table = to.name,
                .column = age.name,
                .type = age.type,
                .cutoff = {},
                .columns = {},
                .batch = wish.batch};
    TRY_ASSIGN(plan.job.columns, common_columns(from, mine, to, theirs));
    TRY_ASSIGN(
        const auto moment,
        database.run(request("cutoff",
                             fmt::format("SELECT (clock_timestamp() - make_interval(secs => $1::float8))::{}"
                                         "::text AS t",
                                         age.type),
                             {std::to_string(wish.older.count() / 1000)}),
                     deadline));
    if (!moment.value("t"))
        return fail(ErrorKind::unknown, "the server did not tell its time");
    plan.job.cutoff = *moment.value("t");
    TRY_ASSIGN(const auto rows, database.run(request("old-rows",
                                                     fmt::format("SELECT count(*) AS n FROM ONLY {} WHERE {}",
                                                                 from.quoted(), older(plan.job)),
                                                     {plan.job.cutoff}),
                                             deadline));
    if (!rows.value("n"))
        return fail(ErrorKind::unknown, fmt::format("the old rows of {} were not counted", from.shown()));
    plan.rows = whole(rows.value("n"));
    plan.total = std::max(whole(dangers.value("total")), plan.rows);
    plan.indexed = dangers.value("indexed") == "t";
    plan.row_bytes = static_cast<double>(whole(dangers.value("size"))) /
                     static_cast<double>(std::max<std::int64_t>(plan.total, 1));
    if (dangers.value("triggers") == "t")
        plan.warnings.emplace_back("triggers on its DELETE fire for every row");
    if (age.type == "timestamp without time zone")
        plan.warnings.emplace_back(
            fmt::format("{} has no time zone: it is read as UTC", printable(age.name)));
    if (!plan.indexed && plan.rows > 0)
        plan.warnings.emplace_back(
            fmt::format("no index begins with {}: each batch reads the whole table", printable(age.name)));
    return plan;
}

Result<std::int64_t> archive_batch(Database& database, const ArchiveJob& job, std::int64_t most,
                                   Deadline deadline)
{
    std::string names, of_row; // "a", "b" and t."a", t."b"
    for (const auto& column : job.columns) {
        names += (names.empty() ? "" : ", ") + sql_name(column);
        of_row += (of_row.empty() ? "t." : ", t.") + sql_name(column);
    }
    // Rows that somebody changes at this moment stay for a later batch.
    const auto text = fmt::format(
        "WITH old AS MATERIALIZED (SELECT ctid FROM ONLY {0} WHERE {1} ORDER BY {2} LIMIT $2::bigint FOR "
        "UPDATE), "
        "gone AS (DELETE FROM ONLY {0} t USING old WHERE t.ctid = old.ctid AND t.{1} RETURNING {6}), "
        "kept AS (INSERT INTO {4}.{5} ({3}) OVERRIDING SYSTEM VALUE SELECT {3} FROM gone RETURNING 1) "
        "SELECT (SELECT count(*) FROM gone) AS gone, (SELECT count(*) FROM kept) AS kept",
        from_of(job), older(job), sql_name(job.column), names, sql_name(job.to_schema),
        sql_name(job.to_table), of_row);
    TRY_ASSIGN(auto transaction, SqlTransaction::begin(database, "ISOLATION LEVEL READ COMMITTED", deadline));
    TRY_ASSIGN(const auto moved,
               database.run(request("archive", text, {job.cutoff, std::to_string(most)}), deadline));
    const auto gone = moved.value("gone"), kept = moved.value("kept");
    if (!gone || gone != kept)
        return fail(ErrorKind::failed,
                    fmt::format("{} rows would leave {} and {} arrive in {}: nothing was moved",
                                gone.value_or("?"), printable(job.table), kept.value_or("?"),
                                printable(job.to_table)),
                    "Look for a trigger or a rule on the archive's table.");
    TRY(transaction.commit(deadline));
    return whole(gone);
}

Result<bool> archive_left(Database& database, const ArchiveJob& job, Deadline deadline)
{
    TRY_ASSIGN(const auto left,
               database.run(request("archive-left",
                                    fmt::format("SELECT EXISTS (SELECT FROM ONLY {} WHERE {}) AS some",
                                                from_of(job), older(job)),
                                    {job.cutoff}),
                            deadline));
    if (!left.value("some"))
        return fail(ErrorKind::unknown, fmt::format("the server did not say what is left in {}", job.table));
    return left.value("some") == "t";
}

} // namespace conduit::sql
