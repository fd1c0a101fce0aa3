// SPDX-License-Identifier: Apache-2.0
#include "agent/control/sqlite_state.hpp"

#include "core/hash.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

constexpr std::size_t k_max_overrides = 10'000;
constexpr std::size_t k_max_value = 16U << 10U;
constexpr std::int64_t k_keep_operations_ms = 30LL * 24 * 3600 * 1000;

Json value_or_null(const ControlState& state, const std::string& path)
{
    const auto it = state.overrides.find(path);
    return it == state.overrides.end() ? Json() : *it->second.value;
}

// What a repeated operation is compared with: the same id must mean the same change.
std::string patch_digest(const StatePatch& patch)
{
    Json json{{"set", Json::object()}, {"unset", patch.unset}};
    for (const auto& [path, value] : patch.set)
        json["set"][path] = *value;
    return sha256_hex(canonical_json(json));
}

Error stale_path(const ControlState& state, const std::string& path, const Json& expected)
{
    const auto it = state.overrides.find(path);
    const auto found = dump_json(value_or_null(state, path));
    auto error = Error{ErrorKind::stale, fmt::format("{} was changed meanwhile", path),
                       "Look at the state again and decide anew."}
                     .with_detail("path", path)
                     .with_detail("expected", dump_json(expected))
                     .with_detail("found", found)
                     .with_detail("revision", std::to_string(state.revision));
    if (it != state.overrides.end())
        error.details["actor"] = it->second.actor;
    return error;
}

Result<> check_expectations(const ControlState& state, const StatePatch& patch)
{
    if (patch.if_revision && *patch.if_revision != state.revision)
        return Error{
            ErrorKind::stale,
            fmt::format("the control state is at revision {}, not {}", state.revision, *patch.if_revision),
            "Look at the state again and decide anew."}
            .with_detail("revision", std::to_string(state.revision));
    for (const auto& [path, value] : patch.expect)
        if (canonical_json(value_or_null(state, path)) != canonical_json(*value))
            return stale_path(state, path, *value);
    return {};
}

void set_meta(SQLite::Database& db, const char* key, std::uint64_t value)
{
    SQLite::Statement insert(db, "INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)");
    insert.bind(1, key);
    insert.bind(2, as_signed(value));
    insert.exec();
}

void erase(SQLite::Database& db, ControlState& state, const std::string& path)
{
    SQLite::Statement remove(db, "DELETE FROM state WHERE path = ?");
    remove.bind(1, path);
    remove.exec();
    state.overrides.erase(path);
}

void put(SQLite::Database& db, const std::string& path, const Override& item)
{
    SQLite::Statement insert(db,
                             "INSERT OR REPLACE INTO state(path, value, actor, reason, operation, set_at, "
                             "expires_at, revision) VALUES(?, ?, ?, ?, ?, ?, ?, ?)");
    insert.bind(1, path);
    insert.bind(2, dump_json(*item.value));
    insert.bind(3, item.actor);
    insert.bind(4, item.reason);
    insert.bind(5, item.operation);
    insert.bind(6, ms(item.set_at));
    if (item.expires_at)
        insert.bind(7, ms(*item.expires_at));
    insert.bind(8, as_signed(item.revision));
    insert.exec();
}

void add_history(SQLite::Database& db, const HistoryEntry& entry)
{
    SQLite::Statement insert(db,
                             "INSERT INTO history(revision, time, actor, reason, operation, kind, changes) "
                             "VALUES(?, ?, ?, ?, ?, ?, ?)");
    insert.bind(1, as_signed(entry.revision));
    insert.bind(2, ms(entry.time));
    insert.bind(3, entry.actor);
    insert.bind(4, entry.reason);
    insert.bind(5, entry.operation);
    insert.bind(6, entry.kind);
    insert.bind(7, dump_json(*entry.changes));
    insert.exec();
    SQLite::Statement forget(db, "DELETE FROM history WHERE id <= (SELECT max(id) FROM history) - ?");
    forget.bind(1, k_keep_history);
    forget.exec();
}

// True: this operation was carried out before, the caller answers with what is there.
Result<bool> seen_before(SQLite::Database& db, const StatePatch& patch)
{
    if (patch.operation.empty())
        return false;
    SQLite::Statement query(db, "SELECT digest FROM operations WHERE operation = ?");
    query.bind(1, patch.operation);
    if (!query.executeStep())
        return false;
    if (query.getColumn(0).getString() != patch_digest(patch))
        return fail(ErrorKind::usage,
                    fmt::format("operation {} was used for another change", printable(patch.operation)),
                    "Give each change an operation id of its own.");
    return true;
}

void remember(SQLite::Database& db, const StatePatch& patch, std::uint64_t revision, WallTime now)
{
    if (patch.operation.empty())
        return;
    SQLite::Statement insert(db,
                             "INSERT INTO operations(operation, digest, revision, time) VALUES(?, ?, ?, ?)");
    insert.bind(1, patch.operation);
    insert.bind(2, patch_digest(patch));
    insert.bind(3, as_signed(revision));
    insert.bind(4, ms(now));
    insert.exec();
    SQLite::Statement forget(db, "DELETE FROM operations WHERE time < ?");
    forget.bind(1, ms(now) - k_keep_operations_ms);
    forget.exec();
}

Result<> check_fence(SQLite::Database& db, const StatePatch& patch)
{
    if (!patch.fence)
        return {};
    const auto key = "fence:" + patch.fence_scope;
    const auto seen = read_meta(db, key.c_str());
    if (*patch.fence < seen)
        return Error{
            ErrorKind::refused,
            fmt::format("fence {} is older than {}, somebody else holds the lock", *patch.fence, seen)}
            .with_detail("fence", std::to_string(seen));
    if (*patch.fence > seen)
        set_meta(db, key.c_str(), *patch.fence);
    return {};
}

Json change(SQLite::Database& db, ControlState& state, const StatePatch& patch, WallTime now)
{
    Json changes = Json::array();
    for (const auto& path : patch.unset) {
        if (!state.overrides.contains(path))
            continue;
        changes.push_back({{"path", path}, {"before", value_or_null(state, path)}, {"after", nullptr}});
        erase(db, state, path);
    }
    for (const auto& [path, value] : patch.set) {
        auto& item = state.overrides[path];
        const auto each = patch.expires_each.find(path);
        const auto expires_in = each == patch.expires_each.end() ? patch.expires_in : each->second;
        if (item.revision != 0 && item.value == value && !item.expires_at && !expires_in)
            continue;
        changes.push_back({{"path", path}, {"before", *item.value}, {"after", *value}});
        item = {value, patch.actor, patch.reason, patch.operation, now, std::nullopt, state.revision + 1};
        if (expires_in)
            item.expires_at = now + *expires_in;
        put(db, path, item);
    }
    return changes;
}

} // namespace

Json stored_json(const SQLite::Column& column)
{
    auto parsed = parse_json(column.getString());
    return parsed ? *std::move(parsed) : Json();
}

std::uint64_t read_meta(SQLite::Database& db, const char* key)
{
    SQLite::Statement query(db, "SELECT value FROM meta WHERE key = ?");
    query.bind(1, key);
    return query.executeStep() ? as_unsigned(query.getColumn(0)) : 0;
}

ControlState read_state(SQLite::Database& db)
{
    ControlState state;
    state.revision = read_meta(db, "revision");
    SQLite::Statement query(
        db, "SELECT path, value, actor, reason, operation, set_at, expires_at, revision FROM state");
    while (query.executeStep()) {
        auto& item = state.overrides[query.getColumn(0).getString()];
        item.value = stored_json(query.getColumn(1));
        item.actor = query.getColumn(2).getString();
        item.reason = query.getColumn(3).getString();
        item.operation = query.getColumn(4).getString();
        item.set_at = wall(query.getColumn(5).getInt64());
        if (!query.getColumn(6).isNull())
            item.expires_at = wall(query.getColumn(6).getInt64());
        item.revision = as_unsigned(query.getColumn(7));
    }
    return state;
}

void expire_state(SQLite::Database& db, ControlState& state, WallTime now)
{
    std::vector<std::string> due;
    for (const auto& [path, item] : state.overrides)
        if (item.expires_at && *item.expires_at <= now)
            due.push_back(path);
    if (due.empty())
        return;
    ++state.revision;
    set_meta(db, "revision", state.revision);
    for (const auto& path : due) {
        const auto item = state.overrides.at(path);
        Json changes = Json::array({Json{{"path", path}, {"before", *item.value}, {"after", nullptr}}});
        add_history(db, {state.revision, now, item.actor, "expired: " + item.reason, item.operation, "expire",
                         std::move(changes)});
        erase(db, state, path);
    }
}

Result<ControlState> apply_patch(SQLite::Database& db, const StatePatch& patch, WallTime now)
{
    TRY_ASSIGN(const bool repeated, seen_before(db, patch));
    auto state = read_state(db);
    if (repeated)
        return state;
    TRY(check_fence(db, patch));
    expire_state(db, state, now);
    TRY(check_expectations(state, patch));
    for (const auto& [path, value] : patch.set)
        if (dump_json(*value).size() > k_max_value)
            return fail(ErrorKind::usage,
                        fmt::format("the value of {} is larger than {}", path, format_bytes(k_max_value)));
    auto changes = change(db, state, patch, now);
    if (state.overrides.size() > k_max_overrides)
        return fail(ErrorKind::refused, fmt::format("more than {} overrides", k_max_overrides),
                    "Remove some, or put them into the configuration file.");
    const bool changed_nothing = changes.empty();
    if (!changed_nothing) {
        ++state.revision;
        set_meta(db, "revision", state.revision);
        add_history(db, {state.revision, now, patch.actor, patch.reason, patch.operation, "patch",
                         std::move(changes)});
    }
    state.changed = !changed_nothing;
    remember(db, patch, state.revision, now);
    return state;
}

} // namespace conduit::agent
