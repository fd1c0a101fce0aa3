// SPDX-License-Identifier: Apache-2.0
// The backups of a repository, and what was proved of each.
#pragma once

#include "cli/backup/manifest.hpp"
#include "cli/backup/repository.hpp"

#include <optional>

namespace conduit::backup {

struct Entry {
    std::string id;
    std::optional<Manifest> manifest;    // nullopt: it cannot be read
    std::string fault;                   // why not, or the damage that the newest proof found; empty: none
    Level level = Level::stored;         // the highest that was proved, while the newest proof found no fault
    std::optional<WallTime> proved;      // when that was
    std::optional<Duration> restored_in; // what the newest proof of L3 and above took
    std::uint64_t bytes = 0;             // of all its files
};

// Whole backups, oldest first: one whose manifest was not written yet is none.
struct Catalog {
    std::vector<Entry> entries;
    std::size_t halves = 0; // folders without a manifest: under way, or left by a run that died
    const Entry* find(std::string_view id) const; // or a unique beginning of one; "latest"
    const Entry* newest_proven() const;           // to L3 or higher, sound
};
Result<Catalog> read_catalog(Repository& repository);

// not_found or usage (several begin so), with how to list them.
Result<const Entry*> find_backup(const Catalog& catalog, std::string_view id);

} // namespace conduit::backup
