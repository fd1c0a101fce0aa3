// SPDX-License-Identifier: Apache-2.0
// The one process that owns a local folder: its sockets, its replicas, its simulator, its reversals.
#pragma once

#include "cli/orchestrator/local/child.hpp"
#include "cli/orchestrator/local/layout.hpp"

#include <functional>
#include <string>

namespace conduit::local {

struct SupervisorOptions {
    fs::path dir;
    std::string agent_program;
    std::string sim_program;
    Backoff backoff;
    Duration drain{35'000};          // between SIGTERM and SIGKILL
    Duration start_patience{20'000}; // for the replacement in a rolling restart
    std::uint64_t log_bytes = 10U << 20U;
    int log_files = 3; // the one written to included
    // Called every second while it runs, on a thread of its own, so that it may ask this supervisor: pending
    // reversals are carried out here.
    std::function<void(WallTime now)> every_second;
};

// Runs until it is told to stop through the socket or by SIGTERM or SIGINT, which it takes over. Needs
// state/local.json. Returns the exit code; what went wrong is on stderr (the supervisor's log).
int run_supervisor(const SupervisorOptions& options);

} // namespace conduit::local
