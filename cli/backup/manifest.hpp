// SPDX-License-Identifier: Apache-2.0
// What a backup says of itself (manifest.json, written last and never changed) and what was proved of it
// (verify-TIME.json, beside it). Formats: docs/backups.md.
#pragma once

#include "core/clock.hpp"
#include "core/json.hpp"
#include "core/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::backup {

// What is known of a backup, weakest first; k_level_table in levels.hpp says what each means for each kind.
enum class Level : std::uint8_t { stored, hashed, decoded, restored, counted, in_time };
std::string_view level_name(Level level); // "L0" to "L5"
Result<Level> parse_level(std::string_view text);

struct Sizes {
    std::uint64_t plain = 0, compressed = 0, stored = 0;
};
struct Hashes { // SHA-256, lower-case hexadecimal
    std::string plain, compressed, stored;
};

struct Part {
    std::string name;   // "postgres-conduit"
    std::string kind;   // "pg_dump-custom", "tar", "rdb"
    std::string file;   // in the backup's folder: "postgres-conduit.dump.zst.age"
    std::string source; // "postgres conduit at db:5432", without secrets
    Sizes sizes;
    Hashes sha256;
    bool encrypted = false;
    JsonBox consistent_to;          // what point it shows: {"lsn": "0/3A2B1C8"}, {"time": …}
    JsonBox invariants;             // counted in the same snapshot; compared after a restore
    std::vector<std::string> tools; // "pg_dump (PostgreSQL) 15.18"
};

struct Manifest {
    std::string id; // "20261122T020000Z-7f3a", also its folder
    std::string system;
    std::string operation; // of the journal
    WallTime started{}, finished{};
    std::string tool; // "conduitctl 0.3.0"
    std::vector<Part> parts;

    const Part* part(std::string_view name) const;
    std::uint64_t stored_bytes() const;
};

std::string make_id(WallTime now);
bool is_id(std::string_view text);
WallTime time_of(const std::string& id); // of one that is_id

// With a seal: the SHA-256 of everything else in it.
std::string write_manifest(const Manifest& manifest);
// breached: it is no manifest, of another backup than `id`, or not as it was written; the message names it.
Result<Manifest> read_manifest(std::string_view text, std::string_view id);

struct PartProof {
    std::string name;
    Level level = Level::stored;
    std::string fault; // empty: none
};
struct Proof {
    std::string backup;
    WallTime at{};
    Duration took{0};
    Level asked = Level::hashed;
    std::vector<PartProof> parts;
    Level level() const; // of its lowest part
    bool sound() const;  // no part has a fault
};
std::string write_proof(const Proof& proof);
Result<Proof> read_proof(std::string_view text, std::string_view id);

} // namespace conduit::backup
