// SPDX-License-Identifier: Apache-2.0
// How a part lies in the repository: compressed by zstd, then encrypted by age where there are recipients, so
// that `age -d -i IDENTITY FILE | zstd -d` gives the plain file without us.
#pragma once

#include "cli/backup/manifest.hpp"
#include "cli/backup/repository.hpp"

namespace conduit::backup {

struct Keys {
    std::vector<std::string> recipients; // public: "age1…"
    fs::path identity;                   // private; empty: this host cannot decrypt
};

std::string stored_name(std::string_view plain_name, const Keys& keys); // "x.dump" -> "x.dump.zst.age"

// Writes the part's file whole, and fills in its sizes and hashes.
Result<> store_part(Repository& repository, const std::string& backup, const Keys& keys, const Produce& plain,
                    Part& part, const Cancel* stop);

// Reads the part back to its plain bytes, which go to `to`. breached, naming the part: a size or hash on the
// way is not that of the manifest, it cannot be decrypted or decompressed, or its file is gone. auth: it is
// encrypted and there is no identity.
Result<> load_part(Repository& repository, const std::string& backup, const Keys& keys, const Part& part,
                   ByteSink& to, const Cancel* stop);
// The stored bytes alone: what a host without an identity can prove.
Result<> check_stored(Repository& repository, const std::string& backup, const Part& part,
                      const Cancel* stop);

} // namespace conduit::backup
