// SPDX-License-Identifier: Apache-2.0
// What is backed up: something that gives a plain, standard file and counts what is in it.
#pragma once

#include "cli/backend/database.hpp"
#include "cli/backup/manifest.hpp"
#include "core/chain.hpp"

#include <memory>

namespace conduit::backup {

class Source {
  public:
    virtual ~Source() = default;
    virtual std::string name() const = 0;         // "postgres-conduit", "folder-data"
    virtual std::string kind() const = 0;         // see levels.hpp
    virtual std::string extension() const = 0;    // of the plain file: ".dump"
    virtual std::string where() const = 0;        // for the manifest, without secrets
    virtual bool secret() const { return false; } // never stored unencrypted
    // Gives the plain bytes, once, and then what was counted of exactly those.
    virtual Result<> produce(ByteSink& to, Deadline deadline) = 0;
    virtual void describe(Part& part) const = 0; // consistent_to, invariants, tools
};

// Where PostgreSQL's own programs reach the server.
struct PostgresPlace {
    std::string host; // a name, an address or a folder of sockets
    int port = 5432;
    std::string database, user, password, ssl_mode, ca;
};
// The arguments and environment of a program of libpq: the password in a file of ours, which it keeps.
struct PostgresProgram {
    std::vector<std::string> arguments; // --host …
    std::map<std::string, std::string> env;
    TempDir kept;
};
Result<PostgresProgram> postgres_program(const PostgresPlace& place);

// What is counted of a database, by any way to ask it.
using Ask = std::function<Result<std::vector<std::vector<SqlValue>>>(const std::string& sql)>;
Result<Json> count_database(const Ask& ask); // {"tables", "rows": {"schema.table": n}, "schema": "sha256:…"}

// pg_dump in custom format and the counts, of one snapshot. The database must outlive it.
std::unique_ptr<Source> dump_of_postgres(Database& database, PostgresPlace place, const Cancel* stop);

// tar of a folder: files, links, owners and modes, of one file system.
std::unique_ptr<Source> tar_of_folder(fs::path folder, const Cancel* stop);

} // namespace conduit::backup
