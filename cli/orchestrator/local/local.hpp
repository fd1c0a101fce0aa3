// SPDX-License-Identifier: Apache-2.0
// `local up`, `down` and `status` as functions.
#pragma once

#include "cli/orchestrator/local/layout.hpp"
#include "core/cancel.hpp"
#include "core/clock.hpp"
#include "core/json.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::local {

struct UpOptions {
    fs::path dir;
    std::optional<int> replicas;       // kept as it was, 2 at first
    std::optional<std::uint16_t> port; // of the router; 8080 at first, or a free one when that is taken
    std::optional<bool> sim;           // true at first
    std::vector<std::string> sim_args; // further arguments of the simulator: latency and so on
    std::vector<std::string> supervisor_argv; // the program that calls run_supervisor for this folder
    Duration timeout{15'000};
    std::function<void(std::string_view line)> progress;
    const Cancel* cancel = nullptr; // interrupted, or partial once something was started or ended
};

struct UpResult {
    bool changed = false;
    JsonBox status; // as local_status
};

// ok only when every wanted replica, and the simulator, is ready. failed with the last log lines of the one
// that is not. Calls at the same time wait for each other.
Result<UpResult> local_up(const UpOptions& options);

struct DownOptions {
    fs::path dir;
    bool purge = false; // removes the folder's content too
    Duration timeout{60'000};
    std::function<void(std::string_view line)> progress;
    const Cancel* cancel = nullptr; // interrupted, or partial once something was started or ended
};
struct DownResult {
    bool changed = false;
    bool purged = false;
};
// ok only when no process is left, orphans of a killed supervisor included.
Result<DownResult> local_down(const DownOptions& options);

// The document of `local status -o json`. A folder without a supervisor is an answer ("running": false), not
// an error.
Result<Json> local_status(const fs::path& dir, Deadline deadline, const Cancel* cancel = nullptr);

} // namespace conduit::local
