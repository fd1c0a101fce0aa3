// SPDX-License-Identifier: Apache-2.0
// Moves old rows from one table to another: each batch is one transaction in which as many rows arrive as
// leave.
#pragma once

#include "cli/backend/database.hpp"

#include <string>
#include <vector>

namespace conduit::sql {

struct ArchiveJob {
    std::string schema, table;        // from
    std::string to_schema, to_table;  // to
    std::string column, type;         // what says how old a row is, and its type
    std::string cutoff;               // one moment for the whole job, as the column's type writes it
    std::vector<std::string> columns; // every column that is kept, by name
    int batch = 10'000;
};
Json archive_json(const ArchiveJob& job);
Result<ArchiveJob> archive_from_json(const Json& document);

struct ArchiveWish {
    std::string table, to; // as typed; to "": TABLE_archive
    std::string column;    // "": the one that there is
    Duration older{};
    int batch = 10'000;
};
struct ArchivePlan {
    ArchiveJob job;
    std::int64_t rows = 0;  // older than the cut-off
    std::int64_t total = 0; // as the server estimates
    bool indexed = false;   // by the column
    double row_bytes = 0;   // on average, as the server estimates
    std::vector<std::string> warnings;
};
// Everything that would go wrong half-way is found here: columns that differ, rows of other tables that would
// go with these, partitions. not_found, refused, usage.
Result<ArchivePlan> plan_archive(Database& database, const ArchiveWish& wish, Deadline deadline);

// Moves at most so many rows; failed, with nothing moved, when not as many arrived as left.
Result<std::int64_t> archive_batch(Database& database, const ArchiveJob& job, std::int64_t most,
                                   Deadline deadline);
Result<bool> archive_left(Database& database, const ArchiveJob& job, Deadline deadline);

} // namespace conduit::sql
