// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/input_file.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace conduit {
namespace {

constexpr std::uint64_t k_longest = 16ULL << 30U;
constexpr std::size_t k_piece = 256U << 10U;
constexpr int k_look = 50; // milliseconds

Result<UniqueFd> nameless_file()
{
    std::error_code ignored;
    const auto folder = fs::temp_directory_path(ignored);
    auto path = (folder / "conduit-input.XXXXXX").string();
    UniqueFd fd(::mkostemp(path.data(), O_CLOEXEC));
    if (!fd)
        return file_error("write", path, errno);
    ::unlink(path.c_str());
    return fd;
}

} // namespace

Result<WholeInput> whole_input(int fd, const Cancel& cancel, Deadline deadline)
{
    struct stat info{};
    if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        const auto at = std::max<off_t>(0, ::lseek(fd, 0, SEEK_CUR));
        return WholeInput{UniqueFd(), static_cast<std::uint64_t>(std::max<off_t>(0, info.st_size - at))};
    }
    TRY_ASSIGN(auto file, nameless_file());
    std::string buffer(k_piece, '\0');
    std::uint64_t bytes = 0;
    for (;;) {
        if (cancel.requested())
            return fail(ErrorKind::interrupted, "interrupted while reading the input");
        if (deadline.passed())
            return fail(ErrorKind::failed, "the input did not end in time; nothing was run");
        pollfd ready{fd, POLLIN, 0};
        if (::poll(&ready, 1, k_look) <= 0)
            continue;
        const auto got = ::read(fd, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return file_error("read", "stdin", errno);
        if (got == 0)
            break;
        bytes += static_cast<std::uint64_t>(got);
        if (bytes > k_longest)
            return fail(ErrorKind::refused, "the input is longer than 16 GiB");
        TRY(write_all(file.get(), std::string_view(buffer).substr(0, static_cast<std::size_t>(got)),
                      "a temporary file"));
    }
    ::lseek(file.get(), 0, SEEK_SET);
    return WholeInput{std::move(file), bytes};
}

} // namespace conduit
