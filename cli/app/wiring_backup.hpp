// SPDX-License-Identifier: Apache-2.0
// The backups of the context: the repository, the sources and the keys that its configuration names.
#pragma once

#include "cli/app/app.hpp"
#include "cli/backup/backups.hpp"
#include "cli/ops/target.hpp"

namespace conduit {

Result<std::unique_ptr<Backups>> make_context_backups(App& app);
Result<std::unique_ptr<ops::Target>> make_backup_target(App& app);

} // namespace conduit
