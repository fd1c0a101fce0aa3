// SPDX-License-Identifier: Apache-2.0
// The control store for processes on one host. Every write is one BEGIN IMMEDIATE transaction, so that what
// it read is still true when it commits.
#include "agent/control/sqlite_state.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <mutex>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

constexpr std::size_t k_max_line = 256U << 10U;
constexpr std::int64_t k_keep_journal = 100'000;
constexpr std::int64_t k_keep_replicas_ms = 24LL * 3600 * 1000;

class SqliteStore final : public ControlStore {
  public:
    SqliteStore(std::string path, const Clock& clock) : db_(std::move(path)), clock_(clock) {}

    Result<> open() { return db_.open(); }

    Result<ControlState> load() override
    {
        const std::lock_guard lock(mutex_);
        return db_.read([&](SQLite::Database& db) -> Result<ControlState> { return read_state(db); });
    }

    Result<std::uint64_t> revision() override
    {
        const std::lock_guard lock(mutex_);
        return db_.read(
            [](SQLite::Database& db) -> Result<std::uint64_t> { return read_meta(db, "revision"); });
    }

    Result<ControlState> apply(const StatePatch& patch) override
    {
        const std::lock_guard lock(mutex_);
        return db_.write([&](SQLite::Database& db) { return apply_patch(db, patch, clock_.now()); });
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
                [](SQLite::Database& db) -> Result<std::uint64_t> { return read_meta(db, "revision"); });
        return db_.write([&](SQLite::Database& db) -> Result<std::uint64_t> {
            auto state = read_state(db);
            expire_state(db, state, clock_.now());
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
            query.bind(3, as_signed(std::min<std::size_t>(limit, k_keep_history)));
            std::vector<HistoryEntry> entries;
            while (query.executeStep())
                entries.push_back({as_unsigned(query.getColumn(0)), wall(query.getColumn(1).getInt64()),
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
            insert.bind(4, as_signed(replica.applied_revision));
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
                                query.getColumn(2).getInt64(), as_unsigned(query.getColumn(3)),
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
            query.bind(1, as_signed(std::min<std::size_t>(limit, k_keep_journal)));
            std::vector<std::string> lines;
            while (query.executeStep())
                lines.push_back(query.getColumn(0).getString());
            return lines;
        });
    }

  private:
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
