// SPDX-License-Identifier: Apache-2.0
// Notices that files changed, by what stat(2) tells: a mounted ConfigMap swaps a symbolic link, an editor
// renames, a script writes in place, and all of them show in mtime, ctime, size or inode.
#pragma once

#include "core/fs.hpp"

#include <array>
#include <map>
#include <string>
#include <vector>

namespace conduit::agent {

class FileWatch {
  public:
    void
    watch(const std::vector<fs::path>& paths); // exactly these from now on; the present is their baseline
    std::vector<fs::path> changed();           // since the last look

  private:
    using Signature = std::array<std::int64_t, 5>;
    static Signature look(const fs::path& path);
    std::map<fs::path, Signature> seen_;
};

bool readable_by_everybody(const fs::path& path);

} // namespace conduit::agent
