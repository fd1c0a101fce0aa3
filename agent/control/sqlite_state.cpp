// SPDX-License-Identifier: Apache-2.0
#include "agent/control/sqlite_state.hpp"

#include "agent/control/state_change.hpp"

#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

void set_meta(SQLite::Database& db, const char* key, std::uint64_t value)
{
    SQLite::Statement insert(db, "INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)");
    insert.bind(1, key);
    insert.bind(2, as_signed(value));
    insert.exec();
}

void drop(SQLite::Database& db, const std::string& path)
{
    SQLite::Statement remove(db, "DELETE FROM state WHERE path = ?");
    remove.bind(1, path);
    remove.exec();
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
    TRY(check_repeated(patch, query.getColumn(0).getString()));
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
    forget.bind(1, ms(now - k_keep_operations));
    forget.exec();
}

std::string fence_key(const StatePatch& patch)
{
    return "fence:" + patch.fence_scope;
}

void keep(SQLite::Database& db, const StateChange& change)
{
    if (change.history.empty())
        return;
    set_meta(db, "revision", change.state.revision);
    for (const auto& path : change.touched) {
        const auto it = change.state.overrides.find(path);
        if (it == change.state.overrides.end())
            drop(db, path);
        else
            put(db, path, it->second);
    }
    for (const auto& entry : change.history)
        add_history(db, entry);
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
    StateChange change{std::move(state), {}, {}};
    take_out_due(change, now);
    keep(db, change);
    state = std::move(change.state);
}

Result<ControlState> apply_patch(SQLite::Database& db, const StatePatch& patch, WallTime now)
{
    TRY_ASSIGN(const bool repeated, seen_before(db, patch));
    if (repeated)
        return read_state(db);
    const auto fence = patch.fence ? read_meta(db, fence_key(patch).c_str()) : 0;
    TRY_ASSIGN(auto change, change_state(read_state(db), patch, fence, now));
    if (patch.fence && *patch.fence > fence)
        set_meta(db, fence_key(patch).c_str(), *patch.fence);
    keep(db, change);
    remember(db, patch, change.state.revision, now);
    return std::move(change.state);
}

} // namespace conduit::agent
