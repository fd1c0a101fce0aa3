// SPDX-License-Identifier: Apache-2.0
#include "agent/control/file_watch.hpp"

#include <sys/stat.h>

namespace conduit::agent {

FileWatch::Signature FileWatch::look(const fs::path& path)
{
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0)
        return {-1, errno, 0, 0, 0};
    const auto nanoseconds = [](const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; };
    return {nanoseconds(info.st_mtim), nanoseconds(info.st_ctim), info.st_size,
            static_cast<std::int64_t>(info.st_ino), static_cast<std::int64_t>(info.st_dev)};
}

void FileWatch::watch(const std::vector<fs::path>& paths)
{
    std::map<fs::path, Signature> next;
    for (const auto& path : paths) {
        if (path.empty())
            continue;
        const auto it =
            seen_.find(path); // what was known stays: a change that happened meanwhile still shows
        next.emplace(path, it == seen_.end() ? look(path) : it->second);
    }
    seen_ = std::move(next);
}

std::vector<fs::path> FileWatch::changed()
{
    std::vector<fs::path> list;
    for (auto& [path, signature] : seen_)
        if (const auto now = look(path); now != signature) {
            signature = now;
            list.push_back(path);
        }
    return list;
}

bool readable_by_everybody(const fs::path& path)
{
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0 && (info.st_mode & S_IROTH) != 0;
}

} // namespace conduit::agent
