// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/copy.hpp"

#include "core/hash.hpp"
#include "core/text.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace conduit {
namespace {

constexpr std::size_t k_piece = 256U << 10U;
constexpr std::size_t k_max_said = 16U << 10U;

// The scripts' own exit codes.
constexpr int k_not_a_file = 65;
constexpr int k_absent = 66;
constexpr int k_not_written = 67;
constexpr int k_no_hash = 68;
constexpr int k_differs = 69;

// $1 bytes, $2 their hash, $3 the name to be, $4 the file's own name, $5 mode, $6 a word nobody else has.
// All input is read whatever happens: a server that ends with input in hand may lose the status, or hang.
constexpr const char* k_take_in = R"(
to=$3 n=$1
no() { echo "$2" >&2; head -c "$n" >/dev/null; exit "$1"; }
case $to in */) [ -d "$to" ] || no 66 "there is no folder $to" ;; esac
if [ -d "$to" ]; then to=${to%/}/$4; fi
case $to in */*) dir=${to%/*}/ ;; *) dir=./ ;; esac
[ -d "$dir" ] || no 66 "there is no folder $dir"
[ ! -d "$to" ] || no 65 "$to is a folder"
new=$dir.${to##*/}.$6
trap 'rm -f -- "$new"' EXIT
trap 'exit 70' HUP INT TERM
sum() { s=$(sha256sum <"$1") || exit 68; s=${s%% *}; }
head -c "$n" | { cat >"$new"; s=$?; cat >/dev/null; exit $s; } || exit 67
sum "$new"
[ "$s" = "$2" ] || exit 69
chmod "$5" "$new" && mv -f -- "$new" "$to" || exit 67
trap - EXIT
sum "$to"
echo "$s $to"
)";

// $1 the file.
constexpr const char* k_give_out = R"(
[ -e "$1" ] || { echo "there is no file $1" >&2; exit 66; }
[ -f "$1" ] || { echo "$1 is no plain file" >&2; exit 65; }
s=$(sha256sum <"$1") || exit 68
echo "${s%% *}"
cat <"$1" || exit 67
)";

struct Said {
    std::string out, err;
};

Error failure(int code, const Said& said, const CopyEnds& ends)
{
    const auto words = printable(trim(said.err));
    const auto what = fmt::format("{}:{}", ends.place.instance, ends.remote);
    switch (code) {
    case k_not_a_file:
        return {
            ErrorKind::failed, fmt::format("{}: {}", what, words),
            fmt::format("Pack a folder: conduitctl exec {} -- tar -cf - FOLDER > FILE", ends.place.instance)};
    case k_absent:
        return {ErrorKind::not_found, fmt::format("{}: {}", what, words),
                fmt::format("Look there: conduitctl exec {} -- ls -la", ends.place.instance)};
    case k_not_written:
        return Error{ErrorKind::failed, fmt::format("{} was not copied; nothing is left of it there", what)}
            .with_cause(words);
    case k_no_hash:
        return Error{ErrorKind::failed,
                     fmt::format("{} was not copied: the copy cannot be verified in its image", what),
                     "cp needs sh, head, cat and sha256sum in the image; choose another container with -c."}
            .with_cause(words);
    case k_differs:
        return Error{ErrorKind::failed,
                     fmt::format("{} was not copied: what arrived is not what was sent", what)}
            .with_cause(words);
    default:
        return Error{ErrorKind::failed, fmt::format("{} was not copied: its shell ended with {}", what, code)}
            .with_cause(words);
    }
}

Result<UniqueFd> open_plain(const fs::path& path, struct stat& info)
{
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd || ::fstat(fd.get(), &info) != 0)
        return file_error("read", path, errno);
    if (!S_ISREG(info.st_mode))
        return fail(ErrorKind::failed, fmt::format("{} is no plain file", path.string()),
                    fmt::format("Pack a folder first: tar -cf FILE {}", path.string()));
    return fd;
}

struct Digest {
    std::uint64_t bytes = 0;
    std::string sha256;
};

Result<Digest> digest_of(int fd, const fs::path& path)
{
    Sha256Stream hash;
    Digest digest;
    std::string buffer(k_piece, '\0');
    for (;;) {
        const auto got = ::read(fd, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return file_error("read", path, errno);
        if (got == 0)
            break;
        digest.bytes += static_cast<std::uint64_t>(got);
        hash.update({buffer.data(), static_cast<std::size_t>(got)});
    }
    digest.sha256 = hex(hash.finish());
    if (::lseek(fd, 0, SEEK_SET) != 0)
        return file_error("read", path, errno);
    return digest;
}

Result<RemoteEnd> run_script(InstanceStreams& streams, const CopyEnds& ends, std::vector<std::string> command,
                             const RemoteIo& io, const Cancel& cancel, Deadline deadline)
{
    return streams.exec(
        {.instance = ends.place.instance, .container = ends.place.container, .command = std::move(command)},
        io, cancel, deadline);
}

auto keep(std::string& text)
{
    return [&text](std::string_view bytes) {
        text += bytes.substr(0, k_max_said - std::min(k_max_said, text.size()));
        return true;
    };
}

// A file beside its name-to-be, removed unless it got there.
class Arriving {
  public:
    static Result<Arriving> make(const fs::path& to)
    {
        auto path = to.string() + ".XXXXXX";
        UniqueFd fd(::mkostemp(path.data(), O_CLOEXEC));
        if (!fd)
            return file_error("write", to, errno);
        return Arriving(std::move(fd), path, to);
    }
    Arriving(Arriving&& other) noexcept
        : fd_(std::move(other.fd_)), path_(std::exchange(other.path_, {})), to_(std::move(other.to_))
    {
    }
    Arriving& operator=(Arriving&&) = delete;
    ~Arriving()
    {
        if (!path_.empty())
            ::unlink(path_.c_str());
    }

    Result<> write(std::string_view bytes) { return write_all(fd_.get(), bytes, to_); }
    Result<> arrive()
    {
        const mode_t mask = ::umask(0);
        ::umask(mask);
        if (::fchmod(fd_.get(), 0666 & ~mask) != 0 || ::fsync(fd_.get()) != 0 ||
            ::rename(path_.c_str(), to_.c_str()) != 0)
            return file_error("write", to_, errno);
        path_.clear();
        const auto folder = to_.has_parent_path() ? to_.parent_path() : fs::path(".");
        const UniqueFd dir(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!dir || ::fsync(dir.get()) != 0)
            return file_error("sync", folder, errno);
        return {};
    }

  private:
    Arriving(UniqueFd fd, std::string path, fs::path to)
        : fd_(std::move(fd)), path_(std::move(path)), to_(std::move(to))
    {
    }
    UniqueFd fd_;
    std::string path_;
    fs::path to_;
};

// "HASH\n" and then the file.
class FileOut {
  public:
    explicit FileOut(Arriving& file) : file_(file) {}
    bool take(std::string_view bytes)
    {
        if (!headed_) {
            const auto end = bytes.find('\n');
            head_ += bytes.substr(0, end);
            if (head_.size() > k_max_said)
                return false;
            if (end == std::string_view::npos)
                return true;
            headed_ = true;
            bytes.remove_prefix(end + 1);
        }
        bytes_ += bytes.size();
        hash_.update(bytes);
        written_ = file_.write(bytes);
        return written_.has_value();
    }
    const Result<>& written() const { return written_; }
    const std::string& promised() const { return head_; }
    Digest digest() { return {bytes_, hex(hash_.finish())}; }

  private:
    Arriving& file_;
    std::string head_;
    bool headed_ = false;
    Sha256Stream hash_;
    std::uint64_t bytes_ = 0;
    Result<> written_;
};

} // namespace

Result<Copied> copy_in(InstanceStreams& streams, const CopyEnds& ends, const Cancel& cancel,
                       Deadline deadline)
{
    struct stat info{};
    TRY_ASSIGN(const auto fd, open_plain(ends.local, info));
    TRY_ASSIGN(const auto digest, digest_of(fd.get(), ends.local));
    Said said;
    const RemoteIo io{
        .out = keep(said.out), .err = keep(said.err), .in = fd.get(), .end_in = false, .size = {}};
    TRY_ASSIGN(const auto end, run_script(streams, ends,
                                          {"sh", "-c", k_take_in, "conduitctl", std::to_string(digest.bytes),
                                           digest.sha256, ends.remote, ends.local.filename().string(),
                                           fmt::format("{:o}", info.st_mode & 0777U), random_token(6)},
                                          io, cancel, deadline));
    if (end.code != 0)
        return failure(end.code, said, ends);
    const auto answer = trim(said.out);
    const auto blank = answer.find(' ');
    if (answer.substr(0, blank) != digest.sha256 || blank == std::string_view::npos)
        return fail(ErrorKind::unknown,
                    fmt::format("{}:{} has another hash than what was copied there: somebody else writes it",
                                ends.place.instance, ends.remote));
    return Copied{printable(answer.substr(blank + 1)), digest.bytes, digest.sha256};
}

Result<Copied> copy_out(InstanceStreams& streams, const CopyEnds& ends, const Cancel& cancel,
                        Deadline deadline)
{
    auto to = ends.local;
    const bool folder = fs::is_directory(to) || !to.has_filename();
    if (folder)
        to /= fs::path(ends.remote).filename();
    TRY_ASSIGN(auto file, Arriving::make(to));
    FileOut out(file);
    Said said;
    const RemoteIo io{.out = [&out](std::string_view bytes) { return out.take(bytes); },
                      .err = keep(said.err),
                      .in = -1,
                      .end_in = true,
                      .size = {}};
    const auto end =
        run_script(streams, ends, {"sh", "-c", k_give_out, "conduitctl", ends.remote}, io, cancel, deadline);
    TRY(out.written());
    if (!end)
        return end.error();
    if (end->code != 0)
        return failure(end->code, said, ends);
    const auto digest = out.digest();
    if (digest.sha256 != out.promised())
        return fail(ErrorKind::failed,
                    fmt::format("{}:{} was not copied: what arrived is not what its hash says",
                                ends.place.instance, ends.remote),
                    "It may be written just now; try again, or copy a file that rests.");
    TRY(file.arrive());
    return Copied{to.string(), digest.bytes, digest.sha256};
}

} // namespace conduit
