// SPDX-License-Identifier: Apache-2.0
// The control store for processes on one host. Every write is one BEGIN IMMEDIATE transaction, so that what
// it read is still true when it commits.
#include "agent/control/sqlite_db.hpp"
#include "agent/control/state.hpp"
#include "core/hash.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <mutex>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

constexpr std::size_t k_max_overrides = 10'000;
constexpr std::size_t k_max_value = 16U << 10U;
constexpr std::size_t k_max_line = 256U << 10U;
constexpr std::int64_t k_keep_history = 10'000;
constexpr std::int64_t k_keep_journal = 100'000;
constexpr std::int64_t k_keep_operations_ms = 30LL * 24 * 3600 * 1000;
constexpr std::int64_t k_keep_replicas_ms = 24LL * 3600 * 1000;

std::int64_t ms(WallTime time)
{
    return time.time_since_epoch().count();
}
WallTime wall(std::int64_t value)
{
    return WallTime(Duration(value));
}
std::int64_t signed_(std::uint64_t value)
{
    return static_cast<std::int64_t>(value);
}
std::uint64_t unsigned_(const SQLite::Column& column)
{
    return static_cast<std::uint64_t>(column.getInt64());
}

Json stored_json(const SQLite::Column& column)
{
    auto parsed = parse_json(column.getString());
    return parsed ? *std::move(parsed) : Json();
}

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

class SqliteStore final : public ControlStore {
  public:
    SqliteStore(std::string path, const Clock& clock) : db_(std::move(path)), clock_(clock) {}

    Result<> open() { return db_.open(); }

    Result<ControlState> load() override
    {
        const std::lock_guard lock(mutex_);
        return db_.read([&](SQLite::Database& db) -> Result<ControlState> { return load_from(db); });
    }

    Result<std::uint64_t> revision() override
    {
        const std::lock_guard lock(mutex_);
        return db_.read([](SQLite::Database& db) -> Result<std::uint64_t> { return meta(db, "revision"); });
    }

    Result<ControlState> apply(const StatePatch& patch) override
    {
        const std::lock_guard lock(mutex_);
        return db_.write([&](SQLite::Database& db) { return apply_in(db, patch); });
    }

    Result<std::uint64_t> expire_due() override
    {
        const std::lock_guard lock(mutex_);
        // A reader first: nearly always nothing is due, and then nobody has to wait for the writer's lock.
        TRY_ASSIGN(const bool due, db_.read([&](SQLite::Database& db) -> Result<bool> {
            SQLite::Statement query(db, "SELECT 1 FROM state WHERE expires_at <= ? LIMIT 1");
            query.bind(1, ms(clock_.now()));
            return query.executeStep();
        }));
        if (!due)
            return db_.read(
                [](SQLite::Database& db) -> Result<std::uint64_t> { return meta(db, "revision"); });
        return db_.write([&](SQLite::Database& db) -> Result<std::uint64_t> {
            auto state = load_from(db);
            expire_in(db, state);
            return state.revision;
        });
    }

    Result<std::vector<HistoryEntry>> history(std::size_t limit, const std::string& operation) override
    {
        const std::lock_guard lock(mutex_);
        return db_.read([&](SQLite::Database& db) -> Result<std::vector<HistoryEntry>> {
            SQLite::Statement query(db, "SELECT revision, time, actor, reason, operation, kind, changes FROM "
                                        "history WHERE ?1 = '' OR operation = ?1 OR operation LIKE ?2 "
                                        "ESCAPE '\\' ORDER BY id DESC LIMIT ?3");
            auto prefix = replace_all(replace_all(operation, "\\", "\\\\"), "%", "\\%");
            query.bind(1, operation);
            query.bind(2, replace_all(std::move(prefix), "_", "\\_") + "/%"); // an operation has steps: ID/1
            query.bind(3, signed_(std::min<std::size_t>(limit, k_keep_history)));
            std::vector<HistoryEntry> entries;
            while (query.executeStep())
                entries.push_back({unsigned_(query.getColumn(0)), wall(query.getColumn(1).getInt64()),
                                   query.getColumn(2).getString(), query.getColumn(3).getString(),
                                   query.getColumn(4).getString(), query.getColumn(5).getString(),
                                   stored_json(query.getColumn(6))});
            return entries;
        });
    }

    Result<> farewell(const ReplicaInfo& replica) override
    {
        const std::lock_guard lock(mutex_);
        return db_.write_lazily([&](SQLite::Database& db) -> Result<> {
            SQLite::Statement forget(db, "DELETE FROM replicas WHERE name = ? AND pid = ?");
            forget.bind(1, replica.name);
            forget.bind(2, replica.pid);
            forget.exec();
            return {};
        });
    }

    Result<> heartbeat(const ReplicaInfo& replica) override
    {
        const std::lock_guard lock(mutex_);
        return db_.write_lazily([&](SQLite::Database& db) -> Result<> {
            SQLite::Statement insert(
                db, "INSERT OR REPLACE INTO replicas(name, admin_url, pid, applied_revision, "
                    "seen_at, version) VALUES(?, ?, ?, ?, ?, ?)");
            insert.bind(1, replica.name);
            insert.bind(2, replica.admin_url);
            insert.bind(3, replica.pid);
            insert.bind(4, signed_(replica.applied_revision));
            insert.bind(5, ms(clock_.now()));
            insert.bind(6, replica.version);
            insert.exec();
            SQLite::Statement forget(db, "DELETE FROM replicas WHERE seen_at < ?");
            forget.bind(1, ms(clock_.now()) - k_keep_replicas_ms);
            forget.exec();
            return {};
        });
    }

    Result<std::vector<ReplicaInfo>> replicas(Duration seen_within) override
    {
        const std::lock_guard lock(mutex_);
        return db_.read([&](SQLite::Database& db) -> Result<std::vector<ReplicaInfo>> {
            SQLite::Statement query(db,
                                    "SELECT name, admin_url, pid, applied_revision, seen_at, version FROM "
                                    "replicas WHERE seen_at >= ? ORDER BY name");
            query.bind(1, ms(clock_.now()) - seen_within.count());
            std::vector<ReplicaInfo> list;
            while (query.executeStep())
                list.push_back({query.getColumn(0).getString(), query.getColumn(1).getString(),
                                query.getColumn(2).getInt64(), unsigned_(query.getColumn(3)),
                                wall(query.getColumn(4).getInt64()), query.getColumn(5).getString()});
            return list;
        });
    }

    Result<> append_journal(const std::string& line) override
    {
        if (line.size() > k_max_line || line.contains('\n'))
            return fail(ErrorKind::usage,
                        fmt::format("a journal line is one line of at most {}", format_bytes(k_max_line)));
        const std::lock_guard lock(mutex_);
        return db_.write([&](SQLite::Database& db) -> Result<> {
            SQLite::Statement insert(db, "INSERT INTO journal(line) VALUES(?)");
            insert.bind(1, line);
            insert.exec();
            SQLite::Statement forget(db, "DELETE FROM journal WHERE id <= (SELECT max(id) FROM journal) - ?");
            forget.bind(1, k_keep_journal);
            forget.exec();
            return {};
        });
    }

    Result<std::vector<std::string>> journal(std::size_t limit) override
    {
        const std::lock_guard lock(mutex_);
        return db_.read([&](SQLite::Database& db) -> Result<std::vector<std::string>> {
            SQLite::Statement query(
                db, "SELECT line FROM (SELECT id, line FROM journal ORDER BY id DESC LIMIT ?) ORDER BY id");
            query.bind(1, signed_(std::min<std::size_t>(limit, k_keep_journal)));
            std::vector<std::string> lines;
            while (query.executeStep())
                lines.push_back(query.getColumn(0).getString());
            return lines;
        });
    }

  private:
    static std::uint64_t meta(SQLite::Database& db, const char* key)
    {
        SQLite::Statement query(db, "SELECT value FROM meta WHERE key = ?");
        query.bind(1, key);
        return query.executeStep() ? unsigned_(query.getColumn(0)) : 0;
    }

    static void set_meta(SQLite::Database& db, const char* key, std::uint64_t value)
    {
        SQLite::Statement insert(db, "INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)");
        insert.bind(1, key);
        insert.bind(2, signed_(value));
        insert.exec();
    }

    static ControlState load_from(SQLite::Database& db)
    {
        ControlState state;
        state.revision = meta(db, "revision");
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
            item.revision = unsigned_(query.getColumn(7));
        }
        return state;
    }

    static void erase(SQLite::Database& db, ControlState& state, const std::string& path)
    {
        SQLite::Statement remove(db, "DELETE FROM state WHERE path = ?");
        remove.bind(1, path);
        remove.exec();
        state.overrides.erase(path);
    }

    static void put(SQLite::Database& db, const std::string& path, const Override& item)
    {
        SQLite::Statement insert(
            db, "INSERT OR REPLACE INTO state(path, value, actor, reason, operation, set_at, "
                "expires_at, revision) VALUES(?, ?, ?, ?, ?, ?, ?, ?)");
        insert.bind(1, path);
        insert.bind(2, dump_json(*item.value));
        insert.bind(3, item.actor);
        insert.bind(4, item.reason);
        insert.bind(5, item.operation);
        insert.bind(6, ms(item.set_at));
        if (item.expires_at)
            insert.bind(7, ms(*item.expires_at));
        insert.bind(8, signed_(item.revision));
        insert.exec();
    }

    static void add_history(SQLite::Database& db, const HistoryEntry& entry)
    {
        SQLite::Statement insert(
            db, "INSERT INTO history(revision, time, actor, reason, operation, kind, changes) "
                "VALUES(?, ?, ?, ?, ?, ?, ?)");
        insert.bind(1, signed_(entry.revision));
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

    void expire_in(SQLite::Database& db, ControlState& state)
    {
        const auto now = clock_.now();
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
            add_history(db, {state.revision, now, item.actor, "expired: " + item.reason, item.operation,
                             "expire", std::move(changes)});
            erase(db, state, path);
        }
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

    void remember(SQLite::Database& db, const StatePatch& patch, std::uint64_t revision)
    {
        if (patch.operation.empty())
            return;
        SQLite::Statement insert(
            db, "INSERT INTO operations(operation, digest, revision, time) VALUES(?, ?, ?, ?)");
        insert.bind(1, patch.operation);
        insert.bind(2, patch_digest(patch));
        insert.bind(3, signed_(revision));
        insert.bind(4, ms(clock_.now()));
        insert.exec();
        SQLite::Statement forget(db, "DELETE FROM operations WHERE time < ?");
        forget.bind(1, ms(clock_.now()) - k_keep_operations_ms);
        forget.exec();
    }

    static Result<> check_fence(SQLite::Database& db, const StatePatch& patch)
    {
        if (!patch.fence)
            return {};
        const auto key = "fence:" + patch.fence_scope;
        const auto seen = meta(db, key.c_str());
        if (*patch.fence < seen)
            return Error{
                ErrorKind::refused,
                fmt::format("fence {} is older than {}, somebody else holds the lock", *patch.fence, seen)}
                .with_detail("fence", std::to_string(seen));
        if (*patch.fence > seen)
            set_meta(db, key.c_str(), *patch.fence);
        return {};
    }

    Json change(SQLite::Database& db, ControlState& state, const StatePatch& patch)
    {
        const auto now = clock_.now();
        Json changes = Json::array();
        for (const auto& path : patch.unset) {
            if (!state.overrides.contains(path))
                continue;
            changes.push_back({{"path", path}, {"before", value_or_null(state, path)}, {"after", nullptr}});
            erase(db, state, path);
        }
        for (const auto& [path, value] : patch.set) {
            auto& item = state.overrides[path];
            if (item.revision != 0 && item.value == value && !item.expires_at && !patch.expires_in)
                continue;
            changes.push_back({{"path", path}, {"before", *item.value}, {"after", *value}});
            item = {value, patch.actor, patch.reason, patch.operation, now, std::nullopt, state.revision + 1};
            if (patch.expires_in)
                item.expires_at = now + *patch.expires_in;
            put(db, path, item);
        }
        return changes;
    }

    Result<ControlState> apply_in(SQLite::Database& db, const StatePatch& patch)
    {
        TRY_ASSIGN(const bool repeated, seen_before(db, patch));
        auto state = load_from(db);
        if (repeated)
            return state;
        TRY(check_fence(db, patch));
        expire_in(db, state);
        TRY(check_expectations(state, patch));
        for (const auto& [path, value] : patch.set)
            if (dump_json(*value).size() > k_max_value)
                return fail(ErrorKind::usage, fmt::format("the value of {} is larger than {}", path,
                                                          format_bytes(k_max_value)));
        auto changes = change(db, state, patch);
        if (state.overrides.size() > k_max_overrides)
            return fail(ErrorKind::refused, fmt::format("more than {} overrides", k_max_overrides),
                        "Remove some, or put them into the configuration file.");
        const bool changed_nothing = changes.empty();
        if (!changed_nothing) {
            ++state.revision;
            set_meta(db, "revision", state.revision);
            add_history(db, {state.revision, clock_.now(), patch.actor, patch.reason, patch.operation,
                             "patch", std::move(changes)});
        }
        state.changed = !changed_nothing;
        remember(db, patch, state.revision);
        return state;
    }

    std::mutex mutex_;
    SqliteDb db_;
    const Clock& clock_;
};

} // namespace

Result<std::unique_ptr<ControlStore>> make_sqlite_store(const std::string& path, const Clock& clock)
{
    auto store = std::make_unique<SqliteStore>(path, clock);
    // Away for now is no reason not to start: each call tries again, and the agent runs on the last state it
    // kept.
    if (auto opened = store->open(); !opened && opened.error().kind != ErrorKind::unreachable)
        return std::unexpected(std::move(opened).error());
    return std::unique_ptr<ControlStore>(std::move(store));
}

} // namespace conduit::agent
