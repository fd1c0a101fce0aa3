// SPDX-License-Identifier: Apache-2.0
// Servers of our own that a backup is restored into, to see that it can be: in a folder of their own, on a
// Unix socket, gone afterwards.
#pragma once

#include "cli/backup/source.hpp"

namespace conduit::backup {

class ScratchPostgres {
  public:
    // With the newest PostgreSQL of this host; as root it runs as nobody. not_found: none is installed.
    static Result<std::unique_ptr<ScratchPostgres>> start(const fs::path& below, Deadline deadline,
                                                          const Cancel* stop);
    ~ScratchPostgres();
    ScratchPostgres(const ScratchPostgres&) = delete;
    ScratchPostgres& operator=(const ScratchPostgres&) = delete;

    const PostgresPlace& place() const { return place_; } // an empty database
    Result<std::vector<std::vector<SqlValue>>> ask(const std::string& sql, Deadline deadline) const;

  private:
    ScratchPostgres(TempDir folder, PostgresPlace place)
        : folder_(std::move(folder)), place_(std::move(place))
    {
    }
    TempDir folder_;
    PostgresPlace place_;
    std::unique_ptr<Child> server_;
};

} // namespace conduit::backup
