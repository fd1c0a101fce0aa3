// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/log_rotation.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace conduit::local {
namespace {

fs::path numbered(const fs::path& log, int n)
{
    return n == 0 ? log : fs::path(log.string() + "." + std::to_string(n));
}

} // namespace

Result<bool> rotate_log(const fs::path& log, std::uint64_t max_bytes, int files)
{
    const UniqueFd source(::open(log.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!source)
        return errno == ENOENT ? Result<bool>(false) : file_error("open", log, errno);
    struct stat info{};
    if (::fstat(source.get(), &info) != 0)
        return file_error("look at", log, errno);
    if (static_cast<std::uint64_t>(info.st_size) <= max_bytes)
        return false;
    std::error_code ignored;
    for (int n = files - 2; n >= 1; --n)
        fs::rename(numbered(log, n), numbered(log, n + 1), ignored);
    if (files < 2) {
        if (::ftruncate(source.get(), 0) != 0)
            return file_error("empty", log, errno);
        return true;
    }
    const auto aside = numbered(log, 1);
    const UniqueFd target(::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!target)
        return file_error("write", aside, errno);
    std::array<char, 65'536> buffer{};
    for (;;) {
        const auto n = ::read(source.get(), buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return file_error("read", log, errno);
        if (n == 0)
            break;
        TRY(write_all(target.get(), {buffer.data(), static_cast<std::size_t>(n)}, aside));
    }
    if (::ftruncate(source.get(), 0) != 0)
        return file_error("empty", log, errno);
    return true;
}

} // namespace conduit::local
