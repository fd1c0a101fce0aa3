// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/layout.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace conduit::local {
namespace {

Result<> check_owner(const fs::path& folder)
{
    struct stat info{};
    if (::lstat(folder.c_str(), &info) != 0)
        return file_error("look at", folder, errno);
    if (!S_ISDIR(info.st_mode))
        return fail(ErrorKind::refused, fmt::format("{} is not a folder", folder.string()),
                    "Name another folder with --dir.");
    if (info.st_uid != ::geteuid())
        return fail(ErrorKind::refused, fmt::format("{} belongs to another user", folder.string()),
                    "Name a folder of your own with --dir.");
    if ((info.st_mode & 077U) != 0 && ::chmod(folder.c_str(), 0700) != 0)
        return file_error("restrict the permissions of", folder, errno);
    return {};
}

} // namespace

fs::path Layout::ready_file(std::string_view instance) const
{
    return run() / fmt::format("{}.ready", instance);
}

fs::path Layout::pid_file(std::string_view instance) const
{
    return run() / fmt::format("{}.pid", instance);
}

fs::path Layout::log_file(std::string_view instance) const
{
    return log() / fmt::format("{}.log", instance);
}

Result<> prepare_folders(const Layout& layout)
{
    std::error_code ignored;
    // A folder with things that are not ours is not made private behind the owner's back.
    const bool foreign = fs::exists(layout.dir, ignored) && !fs::is_empty(layout.dir, ignored) &&
                         !fs::exists(layout.state(), ignored);
    if (foreign)
        return fail(ErrorKind::refused, fmt::format("{} holds other things already", layout.dir.string()),
                    "Name an empty folder with --dir.");
    // state/ is the mark of a folder of ours, so it comes first.
    for (const auto& folder : {layout.dir, layout.state(), layout.reversals(), layout.config(), layout.run(),
                               layout.log(), layout.tokens()}) {
        TRY(make_dirs(folder, 0700));
        TRY(check_owner(folder));
    }
    return {};
}

} // namespace conduit::local
