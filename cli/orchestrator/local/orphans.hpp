// SPDX-License-Identifier: Apache-2.0
// Processes of an earlier supervisor that died without ending them.
#pragma once

#include "cli/orchestrator/local/layout.hpp"
#include "core/clock.hpp"

#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

namespace conduit::local {

struct Orphan {
    std::string name;
    pid_t pid = 0;
    std::uint64_t start_ticks = 0;
};

// Of run/*.pid and run/*.ready those that still live: pid and start time both match.
std::vector<Orphan> find_orphans(const Layout& layout);
// SIGTERM, then SIGKILL after grace; their files are removed. Those that were ended.
std::vector<Orphan> end_orphans(const Layout& layout, Duration grace);

} // namespace conduit::local
