// SPDX-License-Identifier: Apache-2.0
// Real PostgreSQL servers on a Unix socket alone, without fsync. initdb runs once a program.
#pragma once

#include "cli/backend/postgres/connection.hpp"
#include "core/fs.hpp"

#include <csignal>
#include <string>
#include <sys/types.h>
#include <vector>

namespace conduit::test {

bool postgres_missing(); // says why, and fails under CONDUIT_REQUIRE=all

class PostgresServer {
  public:
    // settings: "max_connections=10"
    explicit PostgresServer(std::vector<std::string> settings = {});
    // A standby of another, by pg_basebackup.
    PostgresServer(const PostgresServer& primary, std::vector<std::string> settings);
    ~PostgresServer();
    PostgresServer(const PostgresServer&) = delete;
    PostgresServer& operator=(const PostgresServer&) = delete;

    void start();
    void kill(int signal = SIGQUIT); // and waits until it is gone; SIGQUIT: as a crash
    const fs::path& folder() const { return folder_.path(); } // of the socket
    fs::path data() const { return folder_.path() / "data"; }
    postgres::Settings settings(const std::string& database = "postgres",
                                const std::string& user = "postgres") const;
    std::unique_ptr<Database> open(const std::string& database = "postgres",
                                   const std::string& user = "postgres", const Cancel* cancel = nullptr,
                                   const std::string& password = {}) const;
    // By a connection of its own, as the superuser; throws what the server says.
    SqlResult run(const std::string& sql, const std::string& database = "postgres") const;
    std::string text(const std::string& sql, const std::string& database = "postgres") const; // one value
    std::string make_database(); // an empty one with a name of its own

  private:
    TempDir folder_ = TempDir::make("conduit-pg").value();
    std::vector<std::string> extra_;
    void read_port();
    pid_t pid_ = 0;
    int port_ = 5432; // "port=" of the settings
    int made_ = 0;
};

// One for the whole program, for tests that break nothing.
PostgresServer& shared_postgres();

} // namespace conduit::test
