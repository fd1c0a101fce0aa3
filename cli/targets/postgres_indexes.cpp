// SPDX-License-Identifier: Apache-2.0
// Indexes are made and dropped CONCURRENTLY. One that is INVALID counts as not there: it is what a build left
// that failed.
#include "cli/database/objects.hpp"
#include "cli/targets/postgres_actions.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops::pg {
namespace {

constexpr Duration k_lock_wait{10'000};

constexpr std::string_view k_index =
    "SELECT c.oid::text AS oid, i.indisvalid AND i.indisready AS valid, pg_get_indexdef(c.oid) AS "
    "definition, "
    "EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid) AS building "
    "FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = $1 AND c.relname = $2";

struct Found {
    bool there = false, valid = false, building = false;
    std::string definition;
};

Result<Found> look(const Server& server, const IndexName& index, Deadline deadline)
{
    TRY_ASSIGN(const auto read,
               server.database.run(sql::request("index", k_index, {index.schema, index.name}), deadline));
    return Found{!read.rows.empty(), read.value("valid") == "t", read.value("building") == "t",
                 read.value("definition").value_or("")};
}

std::string quoted(const IndexName& index)
{
    return sql_name(index.schema) + "." + sql_name(index.name);
}

Result<> drop(const Server& server, const IndexName& index, Deadline deadline,
              const std::function<void()>& sent = {})
{
    auto statement =
        sql::request("index-drop", fmt::format("DROP INDEX CONCURRENTLY IF EXISTS {}", quoted(index)));
    statement.sent = sent;
    TRY(server.database.run(statement, deadline));
    return {};
}

// "CREATE [UNIQUE] INDEX name ..." with CONCURRENTLY; it comes from a plan or a record, so nothing else
// passes.
Result<std::string> concurrently(const std::string& definition)
{
    for (const std::string_view lead : {"CREATE INDEX ", "CREATE UNIQUE INDEX "})
        if (definition.starts_with(lead))
            return fmt::format("{}CONCURRENTLY {}", lead, definition.substr(lead.size()));
    return fail(ErrorKind::usage, "the plan's definition of the index is none");
}

// A build that goes on after its client has died is waited for; what one left that failed is dropped.
Result<bool> settle(const Server& server, const IndexName& index, const std::string& wanted,
                    Deadline deadline)
{
    Found found;
    TRY(wait_until(server, deadline, [&](std::string& line) -> Result<bool> {
        TRY_ASSIGN(found, look(server, index, deadline));
        line = fmt::format("{} is still being built by another session", index.name);
        return !found.building;
    }));
    if (found.there && found.valid && found.definition == wanted)
        return true;
    if (found.there && found.valid)
        return fail(ErrorKind::stale, fmt::format("there is another index {} by now", index.name));
    if (found.there)
        TRY(drop(server, index, deadline));
    return false;
}

Result<> create(const Server& server, const WriteContext& context, const IndexName& index,
                const std::string& definition)
{
    TRY_ASSIGN(const auto text, concurrently(definition));
    TRY_ASSIGN(const bool there, settle(server, index, definition, context.deadline));
    if (there)
        return {};
    auto statement = sql::request("index-create", text);
    statement.sent = context.sent;
    auto done = server.database.run(statement, context.deadline);
    if (done)
        return {};
    auto error = std::move(done).error();
    const bool known = error.kind != ErrorKind::unknown;
    // Only what is INVALID goes: it is ours, for it was not there before.
    const Deadline cleanup(k_lock_wait);
    if (const auto left = look(server, index, cleanup); known && left && left->there && !left->valid)
        if (const auto dropped = drop(server, index, cleanup); !dropped) {
            error.kind = ErrorKind::partial;
            error.message +=
                fmt::format("; an invalid index {} is left: {}", index.name, dropped.error().message);
        }
    return error;
}

Result<IndexName> index_of(const Step& step)
{
    IndexName index;
    TRY_ASSIGN(index.schema, json_string(*step.arguments, "schema"));
    TRY_ASSIGN(index.name, json_string(*step.arguments, "name"));
    return index;
}

Result<Applied> drop_invalid(const Server& server, const WriteContext& context, const Step& step)
{
    TRY_ASSIGN(const auto index, index_of(step));
    TRY_ASSIGN(const auto found, look(server, index, context.deadline));
    if (found.building)
        return fail(ErrorKind::locked, fmt::format("index {} is being built by another session", index.name),
                    "See: conduitctl db slow");
    if (found.valid)
        return fail(ErrorKind::stale, fmt::format("index {} is valid by now", index.name));
    TRY(sql::set_lock_timeout(server.database, k_lock_wait, context.deadline));
    auto done = drop(server, index, context.deadline, context.sent);
    (void)sql::set_lock_timeout(server.database, Duration{0}, Deadline(k_lock_wait)).has_value();
    TRY(std::move(done));
    return Applied{.observed = fmt::format("{} dropped", index.name), .data = {}};
}

Result<std::optional<Applied>> find_dropped(const Server& server, const Step& step, Deadline deadline)
{
    TRY_ASSIGN(const auto index, index_of(step));
    TRY_ASSIGN(const auto found, look(server, index, deadline));
    if (found.there)
        return std::nullopt;
    return std::optional(Applied{.observed = fmt::format("{} is gone", index.name), .data = {}});
}

Result<> verify_dropped(const Server& server, const Step& step, const Applied&, Deadline deadline, Progress&)
{
    TRY_ASSIGN(const auto index, index_of(step));
    TRY_ASSIGN(const auto found, look(server, index, deadline));
    if (found.there)
        return fail(ErrorKind::failed, fmt::format("index {} is still there", index.name));
    return {};
}

} // namespace

const Action k_drop_invalid{"drop-invalid", drop_invalid, find_dropped, verify_dropped};

Result<JsonBox> index_field(const Server& server, const IndexName& index, Deadline deadline)
{
    TRY_ASSIGN(const auto found, look(server, index, deadline));
    return JsonBox(found.there && found.valid ? Json(found.definition) : Json());
}

Result<Applied> write_index(const Server& server, const WriteContext& context, const IndexName& index,
                            const Field& field)
{
    TRY_ASSIGN(const auto now, index_field(server, index, context.deadline));
    if (!same_json(*now, *field.after)) {
        if (!same_json(*now, *field.before))
            return fail(ErrorKind::stale, fmt::format("index {} is not what it was", index.name));
        TRY(sql::set_lock_timeout(server.database, k_lock_wait, context.deadline));
        auto done = field.after->is_string() ? create(server, context, index, field.after->get<std::string>())
                                             : drop(server, index, context.deadline, context.sent);
        (void)sql::set_lock_timeout(server.database, Duration{0}, Deadline(k_lock_wait)).has_value();
        TRY(std::move(done));
    }
    return Applied{.observed = fmt::format("{} {}", index.name, field.after->is_null() ? "dropped" : "built"),
                   .data = {}};
}

Result<> verify_index(const Server& server, const IndexName& index, const Json& after, Deadline deadline)
{
    TRY_ASSIGN(const auto now, index_field(server, index, deadline));
    if (!same_json(*now, after))
        return fail(ErrorKind::failed,
                    fmt::format("index {} is {}", index.name, now->is_null() ? "not valid" : "another one"));
    return {};
}

} // namespace conduit::ops::pg
