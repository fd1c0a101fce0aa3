// SPDX-License-Identifier: Apache-2.0
// Files: bounded reads, atomic and durable writes, advisory locks, temporary folders.
#pragma once

#include "core/result.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>

namespace conduit {

namespace fs = std::filesystem;

class UniqueFd { // owns a file descriptor
  public:
    UniqueFd() = default;
    explicit UniqueFd(int fd) : fd_(fd) {}
    UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept;
    ~UniqueFd() { reset(); }
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int release() { return std::exchange(fd_, -1); }
    void reset();

  private:
    int fd_ = -1;
};

// failed with the path and the system's reason; not_found and auth where that is the reason.
Error file_error(std::string_view action, const fs::path& path, int error_number);

Result<std::string> read_file(const fs::path& path, std::size_t limit = 64U << 20U);
// Writes a temporary file beside the target, fsyncs it, renames it, fsyncs the folder: never half a file.
Result<> write_file(const fs::path& path, std::string_view content, mode_t mode = 0600);
Result<> make_dirs(const fs::path& path, mode_t mode = 0700);
Result<> write_all(int fd, std::string_view bytes, const fs::path& path);
Result<> remove_file(const fs::path& path); // absent is fine

// flock(2) on a file that is created when missing. Freed by the holder's death.
class FileLock {
  public:
    static Result<std::optional<FileLock>> try_lock(const fs::path& path); // nullopt: somebody else has it
    static Result<FileLock> lock(const fs::path& path);                    // waits; for moments only
    int fd() const { return fd_.get(); }

  private:
    explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

class TempDir { // removed with its content at scope exit
  public:
    static Result<TempDir> make(std::string_view prefix = "conduit");
    TempDir(TempDir&&) = default;
    TempDir& operator=(TempDir&&) = default;
    ~TempDir();
    const fs::path& path() const { return path_; }

  private:
    explicit TempDir(fs::path path) : path_(std::move(path)) {}
    fs::path path_;
};

fs::path expand_home(std::string_view path, std::string_view home); // "~/x" -> home/x

} // namespace conduit
