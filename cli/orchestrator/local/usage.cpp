// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/usage.hpp"

#include "core/fs.hpp"
#include "core/text.hpp"

#include <charconv>
#include <fmt/format.h>
#include <unistd.h>

namespace conduit::local {

std::optional<ProcessSample> parse_stat(std::string_view stat, double ticks_per_second,
                                        std::uint64_t page_size)
{
    // Fields are counted after the program's name, which may hold anything, blanks and brackets too.
    const auto end = stat.rfind(')');
    if (end == std::string_view::npos)
        return std::nullopt;
    const auto fields = split(trim(stat.substr(end + 1)), ' ');
    const auto number = [&](std::size_t field) -> std::optional<std::uint64_t> {
        const auto index = field - 3; // proc(5) counts from 1, and the state is field 3
        std::uint64_t value = 0;
        if (index >= fields.size())
            return std::nullopt;
        const auto& text = fields[index];
        if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{})
            return std::nullopt;
        return value;
    };
    constexpr std::size_t k_utime = 14, k_stime = 15, k_threads = 20, k_rss = 24;
    const auto user = number(k_utime), kernel = number(k_stime), threads = number(k_threads),
               pages = number(k_rss);
    if (!user || !kernel || !threads || !pages)
        return std::nullopt;
    return ProcessSample{static_cast<double>(*user + *kernel) / ticks_per_second, *pages * page_size,
                         *threads, 0};
}

std::optional<ProcessSample> sample_process(pid_t pid)
{
    const auto stat = read_file(fmt::format("/proc/{}/stat", pid), 8192);
    if (!stat)
        return std::nullopt;
    auto sample = parse_stat(*stat, static_cast<double>(::sysconf(_SC_CLK_TCK)),
                             static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
    if (!sample)
        return std::nullopt;
    std::error_code ec;
    for (fs::directory_iterator entry(fmt::format("/proc/{}/fd", pid), ec), end; !ec && entry != end;
         entry.increment(ec))
        ++sample->open_files;
    return sample;
}

} // namespace conduit::local
