// SPDX-License-Identifier: Apache-2.0
// Where backups are kept: a folder, or a prefix in an S3-compatible store. A file is there as a whole or not
// at all. Paths are relative and have forward slashes: "20261122T020000Z-7f3a/manifest.json".
#pragma once

#include "core/cancel.hpp"
#include "core/chain.hpp"
#include "core/clock.hpp"
#include "core/result.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace conduit::backup {

struct StoredFile {
    std::string path;
    std::uint64_t bytes = 0;
};

// A file that is being written; what is not finished is not there.
class Upload : public ByteSink {
  public:
    virtual Result<> finish() = 0; // durable when it is ok
};

class Repository {
  public:
    virtual ~Repository() = default;
    virtual std::string name() const = 0; // "s3://conduit-backups/prod", "/var/backups/conduit"
    virtual Result<std::unique_ptr<Upload>> create(const std::string& path) = 0;
    // not_found; a reader that fails ends it with its error.
    virtual Result<> read(const std::string& path, ByteSink& to) = 0;
    virtual Result<std::vector<StoredFile>> list(const std::string& folder) = 0; // "" for all; sorted
    virtual Result<> remove(const std::string& path) = 0;                        // absent is fine

    Result<std::string> read_small(const std::string& path); // at most 4 MiB
    Result<> write_small(const std::string& path, std::string_view content);
};

// The folder is made when it is missing; an empty path is usage. 0700 and 0600.
std::unique_ptr<Repository> open_folder(fs::path folder);

} // namespace conduit::backup
