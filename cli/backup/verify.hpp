// SPDX-License-Identifier: Apache-2.0
// Proves a backup, part for part, and says how far it got: docs/backups.md has the table of what each level
// means for each kind.
#pragma once

#include "cli/backup/codec.hpp"
#include "cli/backup/manifest.hpp"

#include <functional>
#include <optional>

namespace conduit::backup {

struct VerifyRequest {
    Level level = Level::counted; // as far as this
    std::optional<Duration> rto;  // L5: restored and counted in so much
    fs::path scratch;             // where restores are tried; empty: the system's place for temporary files
    Keys keys;
    const Clock* clock = nullptr;
    const Cancel* stop = nullptr;
    std::function<void(std::string_view part, std::string_view what)> progress; // may be empty
};

struct PartResult {
    PartProof proof;
    std::string missing; // why the level was not reached though nothing is wrong: "no identity", "no server"
};
struct VerifyResult {
    Proof proof;
    std::vector<PartResult> parts;
    bool reached() const; // every part, as far as asked
};

// Errors are of the way there (unreachable, interrupted, …); what is wrong with the backup is in the result.
Result<VerifyResult> verify_backup(Repository& repository, const Manifest& manifest,
                                   const VerifyRequest& request, Deadline deadline);
// Beside the manifest, under a name of its own.
Result<> keep_proof(Repository& repository, const Proof& proof);

} // namespace conduit::backup
