// SPDX-License-Identifier: Apache-2.0
// `local up`, `down` and `status` as functions.
#pragma once

#include "cli/orchestrator/local/layout.hpp"
#include "cli/orchestrator/local_stack.hpp"

namespace conduit::local {

// ok only when every wanted replica, and the simulator, is ready. failed with the last log lines of the one
// that is not. Calls at the same time wait for each other.
Result<UpResult> local_up(const UpOptions& options);

// ok only when no process is left, orphans of a killed supervisor included.
Result<DownResult> local_down(const DownOptions& options);

// The document of `local status -o json`. A folder without a supervisor is an answer ("running": false), not
// an error.
Result<Json> local_status(const fs::path& dir, Deadline deadline, const Cancel* cancel = nullptr);

} // namespace conduit::local
