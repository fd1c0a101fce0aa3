// SPDX-License-Identifier: Apache-2.0
#include "agent/control/sqlite_db.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>

namespace conduit::agent {
namespace {

constexpr int k_application = 0x436e6443; // "CndC": tells this file from other databases
constexpr int k_schema = 1;
constexpr int k_busy_ms = 5'000;

constexpr const char* k_tables = R"(
CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE state(path TEXT PRIMARY KEY, value TEXT NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL,
    operation TEXT NOT NULL, set_at INTEGER NOT NULL, expires_at INTEGER, revision INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX state_expiry ON state(expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE history(id INTEGER PRIMARY KEY AUTOINCREMENT, revision INTEGER NOT NULL, time INTEGER NOT NULL,
    actor TEXT NOT NULL, reason TEXT NOT NULL, operation TEXT NOT NULL, kind TEXT NOT NULL, changes TEXT NOT NULL);
CREATE INDEX history_operation ON history(operation);
CREATE TABLE operations(operation TEXT PRIMARY KEY, digest TEXT NOT NULL, revision INTEGER NOT NULL,
    time INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE replicas(name TEXT PRIMARY KEY, admin_url TEXT NOT NULL, pid INTEGER NOT NULL,
    applied_revision INTEGER NOT NULL, seen_at INTEGER NOT NULL, version TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE journal(id INTEGER PRIMARY KEY AUTOINCREMENT, line TEXT NOT NULL);
INSERT INTO meta VALUES('revision', 0);
)";

int pragma(SQLite::Database& db, const char* name)
{
    return db.execAndGet(fmt::format("PRAGMA {}", name)).getInt();
}

std::unique_ptr<SQLite::Database> connect(const std::string& path, const char* synchronous)
{
    auto db = std::make_unique<SQLite::Database>(path, SQLite::OPEN_READWRITE, k_busy_ms);
    db->exec(fmt::format("PRAGMA synchronous = {}", synchronous));
    return db;
}

} // namespace

Error SqliteDb::error(const SQLite::Exception& e) const
{
    const auto because = [&](ErrorKind kind, std::string_view what, std::string hint) {
        return Error{kind, fmt::format("control store {} {}", path_, what), std::move(hint)}.with_cause(
            e.what());
    };
    switch (e.getErrorCode() & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return because(ErrorKind::failed, "is damaged",
                       "Keep the file, put a good copy in its place and start the agent again.");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return because(ErrorKind::unreachable, "is locked by another process", "Try again in a moment.");
    case SQLITE_FULL:
        return because(ErrorKind::unreachable, "cannot be written, the disk is full", "Free some space.");
    default:
        return because(ErrorKind::unreachable, "cannot be used",
                       "Check that the file can be read and written.");
    }
}

Result<> SqliteDb::open()
{
    TRY(check_file());
    // Replicas start at once: one of them creates the tables and switches to the write-ahead log.
    TRY_ASSIGN(const auto opening, FileLock::lock(path_ + ".lock"));
    try {
        db_ = connect(path_, "FULL");
        TRY(prepare_schema());
        db_->exec("PRAGMA journal_mode = WAL");
        lazy_ = connect(path_, "NORMAL");
    } catch (const SQLite::Exception& e) {
        return error(e);
    }
    return {};
}

Result<> SqliteDb::check_file()
{
    const fs::path path(path_);
    if (path.has_parent_path())
        TRY(make_dirs(path.parent_path()));
    // SQLite would create it readable for everybody. An existing file is not opened here: closing it would
    // drop the locks that another connection of this process holds.
    const UniqueFd fd(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd && errno != EEXIST)
        return file_error("open the control store", path, errno);
    return {};
}

Result<> SqliteDb::prepare_schema()
{
    SQLite::Transaction transaction(*db_, SQLite::TransactionBehavior::IMMEDIATE); // one creator at a time
    const auto tables = db_->execAndGet("SELECT count(*) FROM sqlite_master").getInt();
    if (tables == 0) {
        db_->exec(k_tables);
        db_->exec(fmt::format("PRAGMA application_id = {}", k_application));
        db_->exec(fmt::format("PRAGMA user_version = {}", k_schema));
        transaction.commit();
        return {};
    }
    if (pragma(*db_, "application_id") != k_application)
        return fail(ErrorKind::failed, fmt::format("{} is a database, but not a control store", path_),
                    "Give the control store a file of its own.");
    if (const auto found = pragma(*db_, "user_version"); found != k_schema)
        return fail(
            ErrorKind::failed,
            fmt::format("control store {} has schema {}, this version reads {}", path_, found, k_schema),
            "Use the version of the agent that wrote it.");
    const std::string check = db_->execAndGet("PRAGMA quick_check(1)").getString();
    if (check != "ok")
        return Error{ErrorKind::failed, fmt::format("control store {} is damaged", path_),
                     "Keep the file, put a good copy in its place and start the agent again."}
            .with_cause(check);
    return {};
}

} // namespace conduit::agent
