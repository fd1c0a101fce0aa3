// SPDX-License-Identifier: Apache-2.0
#include "core/fs.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace conduit {
namespace {

Result<> sync_folder(const fs::path& folder)
{
    const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0)
        return file_error("sync", folder, errno);
    return {};
}

fs::path folder_of(const fs::path& path)
{
    return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

Result<UniqueFd> open_lock(const fs::path& path)
{
    TRY(make_dirs(folder_of(path)));
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd)
        return file_error("open", path, errno);
    return fd;
}

} // namespace

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept
{
    if (this != &other) {
        reset();
        fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
}

void UniqueFd::reset()
{
    if (fd_ >= 0)
        ::close(fd_);
    fd_ = -1;
}

Error file_error(std::string_view action, const fs::path& path, int error_number)
{
    auto kind = ErrorKind::failed;
    if (error_number == ENOENT)
        kind = ErrorKind::not_found;
    else if (error_number == EACCES || error_number == EPERM)
        kind = ErrorKind::auth;
    auto error =
        Error{kind, fmt::format("cannot {} {}: {}", action, path.string(), std::strerror(error_number))};
    if (error_number == ENOSPC || error_number == EDQUOT)
        error.hint = fmt::format("Free some space on the disk that holds {}.", folder_of(path).string());
    return error;
}

Result<std::string> read_file(const fs::path& path, std::size_t limit)
{
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd)
        return file_error("read", path, errno);
    std::string content;
    std::string buffer(65536, '\0');
    for (;;) {
        const auto n = ::read(fd.get(), buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return file_error("read", path, errno);
        if (n == 0)
            return content;
        content.append(buffer, 0, static_cast<std::size_t>(n));
        if (content.size() > limit)
            return fail(ErrorKind::failed, fmt::format("{} is larger than {} bytes", path.string(), limit));
    }
}

Result<> write_all(int fd, std::string_view bytes, const fs::path& path)
{
    while (!bytes.empty()) {
        const auto n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return file_error("write", path, errno);
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

Result<> write_file(const fs::path& path, std::string_view content, mode_t mode)
{
    std::string temporary = path.string() + ".XXXXXX";
    const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!fd)
        return file_error("write", path, errno);
    const auto give_up = [&](Error error) -> Result<> {
        ::unlink(temporary.c_str());
        return error;
    };
    if (auto written = write_all(fd.get(), content, path); !written)
        return give_up(std::move(written).error());
    if (::fchmod(fd.get(), mode) != 0 || ::fsync(fd.get()) != 0 ||
        ::rename(temporary.c_str(), path.c_str()) != 0)
        return give_up(file_error("write", path, errno));
    return sync_folder(folder_of(path));
}

Result<> make_dirs(const fs::path& path, mode_t mode)
{
    std::error_code ignored; // what cannot be looked at is found out by making it
    if (path.empty() || fs::is_directory(path, ignored))
        return {};
    if (path.has_parent_path() && path.parent_path() != path)
        TRY(make_dirs(path.parent_path(), mode));
    if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST)
        return file_error("create folder", path, errno);
    return {};
}

Result<> remove_file(const fs::path& path)
{
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
        return file_error("remove", path, errno);
    return {};
}

Result<std::optional<FileLock>> FileLock::try_lock(const fs::path& path)
{
    TRY_ASSIGN(UniqueFd fd, open_lock(path));
    while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return std::optional<FileLock>{};
        if (errno != EINTR)
            return file_error("lock", path, errno);
    }
    return std::optional<FileLock>{FileLock(std::move(fd))};
}

Result<FileLock> FileLock::lock(const fs::path& path)
{
    TRY_ASSIGN(UniqueFd fd, open_lock(path));
    while (::flock(fd.get(), LOCK_EX) != 0)
        if (errno != EINTR)
            return file_error("lock", path, errno);
    return FileLock(std::move(fd));
}

Result<TempDir> TempDir::make(std::string_view prefix)
{
    std::string name = (fs::temp_directory_path() / fmt::format("{}-XXXXXX", prefix)).string();
    if (::mkdtemp(name.data()) == nullptr)
        return file_error("create folder", name, errno);
    return TempDir(fs::path(name));
}

TempDir::~TempDir()
{
    std::error_code ignored;
    if (!path_.empty())
        fs::remove_all(path_, ignored);
}

fs::path expand_home(std::string_view path, std::string_view home)
{
    if (path == "~" || path.starts_with("~/"))
        return fs::path(home) / fs::path(path.substr(std::min<std::size_t>(2, path.size())));
    return fs::path(path);
}

} // namespace conduit
