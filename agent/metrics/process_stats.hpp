// SPDX-License-Identifier: Apache-2.0
// This process's own use of memory and processor.
#pragma once

#include <cstdint>

namespace conduit::agent {

struct ProcessStats {
    double cpu_seconds = 0;
    std::uint64_t resident_bytes = 0;
    std::uint64_t limit_bytes = 0; // of the control group, else the machine's memory
    std::uint64_t open_files = 0;
};
ProcessStats read_process_stats();

} // namespace conduit::agent
