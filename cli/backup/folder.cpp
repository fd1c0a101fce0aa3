// SPDX-License-Identifier: Apache-2.0
#include "cli/backup/repository.hpp"
#include "core/hash.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace conduit::backup {
namespace {

constexpr std::string_view k_half = ".half"; // of what is not finished; no listing shows it
constexpr std::size_t k_piece = 256U << 10U;

Result<> sync_folder(const fs::path& folder)
{
    const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0)
        return file_error("sync", folder, errno);
    return {};
}

class FolderUpload final : public Upload {
  public:
    FolderUpload(UniqueFd fd, fs::path half, fs::path whole)
        : fd_(std::move(fd)), half_(std::move(half)), whole_(std::move(whole))
    {
    }
    FolderUpload(const FolderUpload&) = delete;
    FolderUpload& operator=(const FolderUpload&) = delete;
    ~FolderUpload() override
    {
        if (fd_)
            (void)remove_file(half_).has_value();
    }
    Result<> write(std::string_view bytes) override { return write_all(fd_.get(), bytes, half_); }
    Result<> finish() override
    {
        if (::fsync(fd_.get()) != 0)
            return file_error("sync", half_, errno);
        if (::rename(half_.c_str(), whole_.c_str()) != 0)
            return file_error("rename", half_, errno);
        fd_.reset();
        return sync_folder(whole_.parent_path());
    }

  private:
    UniqueFd fd_;
    fs::path half_, whole_;
};

class Folder final : public Repository {
  public:
    explicit Folder(fs::path root) : root_(std::move(root)) {}

    std::string name() const override { return root_.string(); }

    Result<std::unique_ptr<Upload>> create(const std::string& path) override
    {
        const auto whole = root_ / path;
        const bool anew = !fs::exists(whole.parent_path());
        TRY(make_dirs(whole.parent_path()));
        if (anew)
            TRY(sync_folder(root_));
        auto half = whole;
        half += fmt::format("-{}{}", random_token(4), k_half);
        UniqueFd fd(::open(half.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (!fd)
            return file_error("create", half, errno);
        return std::make_unique<FolderUpload>(std::move(fd), std::move(half), whole);
    }

    Result<> read(const std::string& path, ByteSink& to) override
    {
        const auto file = root_ / path;
        const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
        if (!fd)
            return file_error("open", file, errno);
        const auto buffer = std::make_unique<std::array<char, k_piece>>();
        for (;;) {
            const auto n = ::read(fd.get(), buffer->data(), buffer->size());
            if (n == 0)
                return {};
            if (n < 0 && errno != EINTR)
                return file_error("read", file, errno);
            if (n > 0)
                TRY(to.write({buffer->data(), static_cast<std::size_t>(n)}));
        }
    }

    Result<std::vector<StoredFile>> list(const std::string& folder) override
    {
        std::vector<StoredFile> found;
        std::error_code error;
        const auto at = root_ / folder;
        fs::recursive_directory_iterator it(at, fs::directory_options::skip_permission_denied, error);
        if (error == std::errc::no_such_file_or_directory)
            return found;
        for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
            if (!it->is_regular_file(error) || it->path().string().ends_with(k_half))
                continue;
            const auto bytes = it->file_size(error);
            if (!error)
                found.push_back({it->path().lexically_relative(root_).string(), bytes});
        }
        if (error)
            return file_error("list", at, error.value());
        std::ranges::sort(found, {}, &StoredFile::path);
        return found;
    }

    Result<> remove(const std::string& path) override
    {
        const auto file = root_ / path;
        TRY(remove_file(file));
        std::error_code ignored; // a folder that still has something stays
        if (file.parent_path() != root_)
            fs::remove(file.parent_path(), ignored);
        return {};
    }

  private:
    const fs::path root_;
};

} // namespace

std::unique_ptr<Repository> open_folder(fs::path folder)
{
    return std::make_unique<Folder>(std::move(folder));
}

} // namespace conduit::backup
