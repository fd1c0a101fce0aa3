// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/orphans.hpp"

#include "core/json.hpp"
#include "core/process.hpp"

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>

namespace conduit::local {
namespace {

bool lives(const Orphan& orphan)
{
    return process_alive(orphan.pid) && process_start_ticks(orphan.pid) == orphan.start_ticks;
}

std::uint64_t ticks_of(const Json& document)
{
    for (const auto* key : {"start_ticks", "process_start_ticks"})
        if (const double ticks = json_number_or(document, key, 0); ticks > 0)
            return static_cast<std::uint64_t>(ticks);
    return 0;
}

std::vector<fs::path> process_files(const Layout& layout)
{
    std::vector<fs::path> files;
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(layout.run(), ec))
        if ((entry.path().extension() == ".pid" && entry.path() != layout.supervisor_pid()) ||
            entry.path().extension() == ".ready")
            files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
}

} // namespace

std::vector<Orphan> find_orphans(const Layout& layout)
{
    std::vector<Orphan> orphans;
    for (const auto& file : process_files(layout)) {
        const auto text = read_file(file, 65'536);
        const auto document = text ? parse_json(*text) : Result<Json>(Json());
        if (!document || !document->is_object())
            continue;
        const double pid = json_number_or(*document, "pid", 0);
        // Never pid 1 or a group, whatever a damaged file says; 2^22 is the kernel's largest pid.
        if (pid < 2 || pid > 4'194'304)
            continue;
        const Orphan orphan{file.stem().string(), static_cast<pid_t>(pid), ticks_of(*document)};
        if (lives(orphan) && std::ranges::find(orphans, orphan.pid, &Orphan::pid) == orphans.end())
            orphans.push_back(orphan);
    }
    return orphans;
}

std::vector<Orphan> end_orphans(const Layout& layout, Duration grace)
{
    const auto orphans = find_orphans(layout);
    for (const auto& orphan : orphans)
        ::kill(orphan.pid, SIGTERM);
    const auto wait = [&](Duration longest) {
        const Deadline deadline(longest);
        while (std::ranges::any_of(orphans, lives) && !deadline.passed())
            system_clock().sleep(Duration(10));
    };
    wait(grace);
    for (const auto& orphan : orphans)
        if (lives(orphan))
            ::kill(orphan.pid, SIGKILL);
    wait(Duration(5'000));
    for (const auto& file : process_files(layout))
        (void)remove_file(file);
    return orphans;
}

} // namespace conduit::local
