// SPDX-License-Identifier: Apache-2.0
#include "agent/metrics/process_stats.hpp"

#include "core/fs.hpp"

#include <charconv>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

namespace conduit::agent {
namespace {

std::uint64_t number_at(std::string_view text, std::size_t field)
{
    for (; field > 0; --field) {
        const auto blank = text.find(' ');
        if (blank == std::string_view::npos)
            return 0;
        text.remove_prefix(blank + 1);
    }
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} ? value : 0; // "max" is no number
}

std::uint64_t memory_limit()
{
    struct sysinfo machine{};
    std::uint64_t limit = 0;
    if (::sysinfo(&machine) == 0)
        limit = std::uint64_t{machine.totalram} * machine.mem_unit;
    for (const auto* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"})
        if (const auto text = read_file(path, 64))
            if (const auto group = number_at(*text, 0); group > 0 && (limit == 0 || group < limit))
                limit = group;
    return limit;
}

} // namespace

ProcessStats read_process_stats()
{
    ProcessStats stats;
    rusage usage{};
    if (::getrusage(RUSAGE_SELF, &usage) == 0)
        stats.cpu_seconds = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                            static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
    if (const auto statm = read_file("/proc/self/statm", 256))
        stats.resident_bytes = number_at(*statm, 1) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    stats.limit_bytes = memory_limit();
    std::error_code error;
    for (auto it = fs::directory_iterator("/proc/self/fd", error); !error && it != fs::directory_iterator();
         it.increment(error))
        ++stats.open_files;
    return stats;
}

} // namespace conduit::agent
