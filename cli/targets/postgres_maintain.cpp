// SPDX-License-Identifier: Apache-2.0
// VACUUM and ANALYZE table by table, REINDEX CONCURRENTLY; each is proved by what the server keeps about it.
#include "cli/database/objects.hpp"
#include "cli/targets/postgres_actions.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

namespace conduit::ops::pg {
namespace {

constexpr Duration k_lock_wait{30'000};

struct Table {
    std::string oid, schema, name;
    std::string quoted() const { return sql_name(schema) + "." + sql_name(name); }
};

Result<Table> table_of(const Json& document)
{
    Table out;
    TRY_ASSIGN(out.oid, json_string(document, "oid"));
    TRY_ASSIGN(out.schema, json_string(document, "schema"));
    TRY_ASSIGN(out.name, json_string(document, "name"));
    return out;
}

Result<std::vector<Table>> tables_of(const Step& step)
{
    const auto* listed = json_find(*step.arguments, "tables");
    if (listed == nullptr || !listed->is_array())
        return fail(ErrorKind::usage, "the plan names no tables");
    std::vector<Table> out;
    for (const auto& one : *listed) {
        TRY_ASSIGN(auto table, table_of(one));
        out.push_back(std::move(table));
    }
    return out;
}

std::string oids(const std::vector<Table>& tables)
{
    std::vector<std::string> all;
    for (const auto& table : tables)
        all.push_back(table.oid);
    return "{" + join(all, ",") + "}";
}

Result<Applied> vacuum(const Server& server, const WriteContext& context, const Step& step)
{
    TRY_ASSIGN(const auto tables, tables_of(step));
    const bool with_vacuum = json_bool_or(*step.arguments, "vacuum", true);
    const bool with_analyze = json_bool_or(*step.arguments, "analyze", true);
    const auto* verb = !with_vacuum ? "ANALYZE" : with_analyze ? "VACUUM (ANALYZE)" : "VACUUM";
    TRY_ASSIGN(
        const auto began,
        server.database.run(sql::request("clock", "SELECT clock_timestamp()::text AS t"), context.deadline));
    TRY(sql::set_lock_timeout(server.database, k_lock_wait, context.deadline));
    std::int64_t done = 0;
    for (const auto& table : tables) {
        auto statement = sql::request("vacuum", fmt::format("{} {}", verb, table.quoted()));
        statement.sent = context.sent;
        auto ran = server.database.run(statement, context.deadline);
        if (!ran && sql_state(ran.error()) == "42P01")
            continue; // dropped since
        if (!ran)
            return stopped_after(std::move(ran).error(), done, done == 1 ? "table was" : "tables were");
        ++done;
    }
    (void)sql::set_lock_timeout(server.database, Duration{0}, context.deadline).has_value();
    return Applied{.observed = fmt::format("{} {}", done, done == 1 ? "table" : "tables"),
                   .data = Json{{"since", began.value("t").value_or("")}}};
}

Result<std::optional<Applied>> never_found(const Server&, const Step&, Deadline)
{
    return std::optional<Applied>{}; // to do it twice is fine
}

Result<> verify_vacuum(const Server& server, const Step& step, const Applied& applied, Deadline deadline,
                       Progress&)
{
    TRY_ASSIGN(const auto tables, tables_of(step));
    const auto since = json_string_or(*applied.data, "since", "");
    const bool with_vacuum = json_bool_or(*step.arguments, "vacuum", true);
    const bool with_analyze = json_bool_or(*step.arguments, "analyze", true);
    constexpr std::string_view k_left =
        "SELECT count(*) AS n, min(relname::text) AS first FROM pg_stat_user_tables WHERE relid = ANY "
        "($1::oid[]) "
        "AND (($3::bool AND COALESCE(last_vacuum, '-infinity') < $2::timestamptz) OR "
        "($4::bool AND COALESCE(last_analyze, '-infinity') < $2::timestamptz))";
    return wait_until(server, deadline.sooner(10s), [&](std::string& line) -> Result<bool> {
        TRY_ASSIGN(const auto left,
                   server.database.run(sql::request("vacuumed", k_left,
                                                    {oids(tables), since.empty() ? "-infinity" : since,
                                                     with_vacuum ? "t" : "f", with_analyze ? "t" : "f"}),
                                       deadline));
        if (!left.value("n"))
            return fail(ErrorKind::unverified, "the server does not say when tables were vacuumed");
        line = fmt::format("{} of {} tables were passed over, {} among them", *left.value("n"), tables.size(),
                           printable(left.value("first").value_or("")));
        return left.value("n") == "0";
    });
}

// The indexes of a table, or the one index: name -> file it lies in.
constexpr std::string_view k_files =
    "SELECT c.relname::text, COALESCE(pg_relation_filenode(c.oid), 0)::text, i.indisvalid::text, "
    "n.nspname::text "
    "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE "
    "CASE WHEN $3 = 'i' THEN n.nspname = $1 AND c.relname = $2 ELSE i.indrelid = (SELECT t.oid FROM pg_class "
    "t "
    "JOIN pg_namespace tn ON tn.oid = t.relnamespace WHERE tn.nspname = $1 AND t.relname = $2) END";

struct IndexFile {
    std::string file;
    bool valid = true;
};
using IndexFiles = std::map<std::string, IndexFile>;

Result<IndexFiles> index_files(const Server& server, const Step& step, Deadline deadline)
{
    TRY_ASSIGN(const auto table, table_of(*step.arguments));
    TRY_ASSIGN(
        const auto read,
        server.database.run(sql::request("index-files", k_files,
                                         {table.schema, table.name,
                                          json_string_or(*step.arguments, "kind", "r") == "i" ? "i" : "r"}),
                            deadline));
    IndexFiles out;
    for (const auto& row : read.rows)
        if (row.size() >= 3)
            out[row[0].value_or("")] = {row[1].value_or(""), row[2] == "true"};
    return out;
}

// A build that fails leaves "NAME_ccnew" behind, INVALID; only what was not there before goes.
Result<> drop_leftovers(const Server& server, const Step& step, const IndexFiles& before, Deadline deadline)
{
    TRY_ASSIGN(const auto table, table_of(*step.arguments));
    constexpr std::string_view k_new =
        "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n "
        "ON n.oid "
        "= c.relnamespace WHERE NOT i.indisvalid AND n.nspname = $1 AND c.relname ~ '_cc(new|old)[0-9]*$' "
        "AND NOT "
        "EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid)";
    TRY_ASSIGN(const auto left,
               server.database.run(sql::request("leftovers", k_new, {table.schema}), deadline));
    for (const auto& row : left.rows) {
        const auto name = row.front().value_or("");
        const auto base = name.substr(0, name.rfind("_cc"));
        bool ours = false;
        for (const auto& [index, file] : before)
            ours = ours || index.starts_with(base);
        if (before.contains(name) || !ours)
            continue;
        TRY(server.database.run(
            sql::request("index-drop", fmt::format("DROP INDEX CONCURRENTLY IF EXISTS {}.{}",
                                                   sql_name(table.schema), sql_name(name))),
            deadline));
    }
    return {};
}

Result<Applied> reindex(const Server& server, const WriteContext& context, const Step& step)
{
    TRY_ASSIGN(const auto table, table_of(*step.arguments));
    TRY_ASSIGN(const auto before, index_files(server, step, context.deadline));
    const bool one = json_string_or(*step.arguments, "kind", "r") == "i";
    TRY(sql::set_lock_timeout(server.database, k_lock_wait, context.deadline));
    auto statement = sql::request(
        "reindex", fmt::format("REINDEX {} CONCURRENTLY {}", one ? "INDEX" : "TABLE", table.quoted()));
    statement.sent = context.sent;
    auto done = server.database.run(statement, context.deadline);
    if (!done) {
        auto error = std::move(done).error();
        const Deadline cleanup(k_lock_wait);
        const bool known = error.kind != ErrorKind::unknown;
        if (const auto dropped = known ? drop_leftovers(server, step, before, cleanup) : Result<>();
            !dropped) {
            error.kind = ErrorKind::partial;
            error.message += fmt::format("; what it left was not dropped: {}", dropped.error().message);
        }
        (void)sql::set_lock_timeout(server.database, Duration{0}, cleanup).has_value();
        return error;
    }
    (void)sql::set_lock_timeout(server.database, Duration{0}, context.deadline).has_value();
    Json files = Json::object();
    for (const auto& [name, index] : before)
        files[name] = index.file;
    return Applied{.observed = fmt::format("{} {}", before.size(), before.size() == 1 ? "index" : "indexes"),
                   .data = Json{{"files", std::move(files)}}};
}

Result<> verify_reindex(const Server& server, const Step& step, const Applied& applied, Deadline deadline,
                        Progress&)
{
    TRY_ASSIGN(const auto now, index_files(server, step, deadline));
    const auto* before = json_find(*applied.data, "files");
    for (const auto& [name, index] : now) {
        if (!index.valid)
            return fail(ErrorKind::failed, fmt::format("index {} is invalid", printable(name)),
                        "See: conduitctl db indexes --invalid");
        if (before != nullptr && json_string_or(*before, name, "") == index.file)
            return fail(ErrorKind::failed, fmt::format("index {} was not built anew", printable(name)));
    }
    return {};
}

} // namespace

const Action k_vacuum{"vacuum", vacuum, never_found, verify_vacuum};
const Action k_reindex{"reindex", reindex, never_found, verify_reindex};

} // namespace conduit::ops::pg
