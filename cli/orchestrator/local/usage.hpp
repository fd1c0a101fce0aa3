// SPDX-License-Identifier: Apache-2.0
// What a process uses, from /proc.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <sys/types.h>

namespace conduit::local {

struct ProcessSample {
    double cpu_seconds = 0; // user and system, since it began
    std::uint64_t memory_bytes = 0;
    std::uint64_t threads = 0;
    std::uint64_t open_files = 0;
};

std::optional<ProcessSample> sample_process(pid_t pid); // nullopt: it is gone
// The line of /proc/PID/stat; pages and ticks as the machine counts them.
std::optional<ProcessSample> parse_stat(std::string_view stat, double ticks_per_second,
                                        std::uint64_t page_size);

} // namespace conduit::local
