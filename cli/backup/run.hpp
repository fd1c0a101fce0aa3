// SPDX-License-Identifier: Apache-2.0
// Makes a backup: every part, then the manifest. Until the manifest stands there is no backup.
#pragma once

#include "cli/backup/codec.hpp"
#include "cli/backup/source.hpp"

#include <functional>
#include <memory>
#include <span>

namespace conduit::backup {

struct RunRequest {
    std::string id; // make_id()
    std::string system;
    std::string operation;
    Keys keys;
    const Clock* clock = nullptr;
    const Cancel* stop = nullptr;
    std::function<void(std::string_view part, std::string_view what)> progress; // may be empty
    std::function<void()> sent; // once, before the manifest is written; may be empty
};

// refused: a part with secrets and no recipients. A part that fails ends it; what was stored of it is taken
// away again.
Result<Manifest> run_backup(Repository& repository, std::span<const std::unique_ptr<Source>> sources,
                            const RunRequest& request, Deadline deadline);

} // namespace conduit::backup
