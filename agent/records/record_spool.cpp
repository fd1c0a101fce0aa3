// SPDX-License-Identifier: Apache-2.0
#include "agent/records/record_spool.hpp"

#include "core/json.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

namespace conduit::agent {
namespace {

constexpr int k_max_spools = 64;
constexpr std::size_t k_piece = 256U << 10U;
constexpr std::size_t k_max_batch = 100'000;

Result<std::pair<UniqueFd, std::uint64_t>> open_file(const fs::path& path)
{
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    struct stat status{};
    if (!fd || ::fstat(fd.get(), &status) != 0)
        return std::unexpected(file_error("open the spool", path, errno));
    auto size = static_cast<std::uint64_t>(status.st_size);
    char last = '\n';
    if (size > 0 && ::pread(fd.get(), &last, 1, status.st_size - 1) == 1 && last != '\n') {
        TRY(write_all(fd.get(), "\n",
                      path)); // the writer died in mid-line: the next batch begins on a new one
        ++size;
    }
    return std::pair{std::move(fd), size};
}

} // namespace

RecordSpool::RecordSpool(fs::path path, FileLock lock, UniqueFd fd, std::uint64_t size, std::uint64_t limit)
    : path_(std::move(path)), lock_(std::move(lock)), fd_(std::move(fd)), size_(size), limit_(limit)
{
}

Result<RecordSpool> RecordSpool::open(const fs::path& path, std::uint64_t limit)
{
    if (path.has_parent_path())
        TRY(make_dirs(path.parent_path()));
    for (int i = 0; i < k_max_spools; ++i) {
        const auto candidate = i == 0 ? path : fs::path(fmt::format("{}.{}", path.string(), i));
        TRY_ASSIGN(auto lock, FileLock::try_lock(candidate));
        if (!lock)
            continue;
        TRY_ASSIGN(auto file, open_file(candidate));
        return RecordSpool(candidate, std::move(*lock), std::move(file.first), file.second, limit);
    }
    return fail(ErrorKind::locked,
                fmt::format("all {} spools beside {} are in use", k_max_spools, path.string()),
                "Give each agent its own records.spool.");
}

Result<bool> RecordSpool::append(const RecordBatch& batch)
{
    auto text =
        dump_json(Json{{"writer", batch.writer}, {"number", batch.number}, {"count", batch.records.size()}});
    text += '\n';
    for (const auto& record : batch.records)
        text.append(record_line(record)).push_back('\n');
    if (size_ + text.size() > limit_)
        return false;
    auto written = write_all(fd_.get(), text, path_);
    if (written && ::fdatasync(fd_.get()) != 0)
        written = std::unexpected(file_error("flush the spool", path_, errno));
    if (!written) { // nothing half stays behind
        static_cast<void>(::ftruncate(fd_.get(), static_cast<off_t>(size_)) == 0);
        return std::unexpected(std::move(written).error());
    }
    size_ += text.size();
    return true;
}

Result<bool> RecordSpool::fill()
{
    std::string piece(k_piece, '\0');
    const auto got = ::pread(fd_.get(), piece.data(), piece.size(), static_cast<off_t>(read_at_));
    if (got < 0)
        return std::unexpected(file_error("read the spool", path_, errno));
    buffer_.append(piece, 0, static_cast<std::size_t>(got));
    read_at_ += static_cast<std::uint64_t>(got);
    return got > 0;
}

std::optional<std::string> RecordSpool::line()
{
    auto end = buffer_.find('\n');
    while (end == std::string::npos) {
        const auto more = fill();
        if (!more || !*more || buffer_.size() > (4U << 20U))
            return std::nullopt;
        end = buffer_.find('\n');
    }
    auto found = buffer_.substr(0, end);
    buffer_.erase(0, end + 1);
    return found;
}

Result<std::optional<RecordBatch>> RecordSpool::next(std::uint64_t& damaged)
{
    buffer_.clear();
    read_at_ = done_;
    while (auto text = line()) {
        const auto head = parse_json(*text, {4096, 4});
        const auto count = head ? json_number_or(*head, "count", -1) : -1;
        if (count < 0 || count > static_cast<double>(k_max_batch)) {
            ++damaged; // a line of a batch whose head was lost
            continue;
        }
        RecordBatch batch;
        batch.writer = json_string_or(*head, "writer", "");
        batch.number = static_cast<std::int64_t>(json_number_or(*head, "number", 0));
        for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
            const auto before = read_at_ - buffer_.size();
            text = line();
            if (!text)
                break;
            if (auto record = parse_record_line(*text)) {
                batch.records.push_back(std::move(*record));
                continue;
            }
            ++damaged;
            if (text->starts_with(R"({"writer")")) { // this batch was cut short: here is the next one
                buffer_.clear();
                read_at_ = before;
                break;
            }
        }
        return std::optional(std::move(batch));
    }
    return std::optional<RecordBatch>();
}

void RecordSpool::taken()
{
    done_ = read_at_ - buffer_.size();
}

Result<> RecordSpool::clear_when_done()
{
    if (::ftruncate(fd_.get(), 0) != 0)
        return std::unexpected(file_error("empty the spool", path_, errno));
    size_ = done_ = read_at_ = 0;
    buffer_.clear();
    buffer_.shrink_to_fit();
    return {};
}

} // namespace conduit::agent
