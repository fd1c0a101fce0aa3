// SPDX-License-Identifier: Apache-2.0
// The SQLite file beneath the control store: opening, schema, transactions, and errors as values. Internal to
// this folder.
#pragma once

#include "core/fs.hpp"
#include "core/result.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <memory>
#include <string>

namespace conduit::agent {

class SqliteDb {
  public:
    explicit SqliteDb(std::string path) : path_(std::move(path)) {}
    // Creates the file when it is missing; a file that is damaged or not ours is an error and stays as it is.
    Result<> open();

    // Each call opens the file first when that failed before.
    // Commits when `work` succeeds, else rolls back.
    template <class Work> auto write(Work work) { return transaction(db_, work); }
    // Survives a crash of the process, not of the host: for what is written again every second.
    template <class Work> auto write_lazily(Work work) { return transaction(lazy_, work); }
    template <class Work> auto read(Work work) -> decltype(work(std::declval<SQLite::Database&>()))
    {
        if (!lazy_)
            TRY(open());
        try {
            const SQLite::Transaction transaction(*db_); // one consistent view; ends by rollback
            return work(*db_);
        } catch (const SQLite::Exception& e) {
            return error(e);
        }
    }

  private:
    template <class Work>
    auto transaction(const std::unique_ptr<SQLite::Database>& db, Work work)
        -> decltype(work(std::declval<SQLite::Database&>()))
    {
        if (!lazy_)
            TRY(open());
        try {
            SQLite::Transaction transaction(*db, SQLite::TransactionBehavior::IMMEDIATE);
            auto result = work(*db);
            if (result)
                transaction.commit();
            return result;
        } catch (const SQLite::Exception& e) {
            return error(e);
        }
    }
    Error error(const SQLite::Exception& e) const;
    Result<> check_file();
    Result<> prepare_schema();

    std::string path_;
    std::unique_ptr<SQLite::Database> db_, lazy_;
};

} // namespace conduit::agent
