// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/journal_file.hpp"

#include "core/hash.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

namespace conduit::ops::journal_file {
namespace {

constexpr std::string_view k_hash_head = R"(,"hash":")";
constexpr std::string_view k_hash_kind = "sha256:";
constexpr std::size_t k_mark_bytes = 256;

constexpr std::array<std::pair<Phase, std::string_view>, 12> k_phases{{
    {Phase::plan, "plan"},
    {Phase::begin, "begin"},
    {Phase::step_start, "step-start"},
    {Phase::step_done, "step-done"},
    {Phase::verify, "verify"},
    {Phase::compensate, "compensate"},
    {Phase::compensated, "compensated"},
    {Phase::resume, "resume"},
    {Phase::end, "end"},
    {Phase::refused, "refused"},
    {Phase::dry_run, "dry-run"},
    {Phase::torn, "torn"},
}};

std::string hash_of(std::string_view text)
{
    return std::string(k_hash_kind) + sha256_hex(text);
}

bool set_phase(Entry& entry, std::string_view name)
{
    const auto it = std::ranges::find(k_phases, name, &std::pair<Phase, std::string_view>::second);
    if (it == k_phases.end())
        return false;
    entry.phase = it->first;
    return true;
}

void put(Json& out, const char* key, const std::string& value)
{
    if (!value.empty())
        out[key] = value;
}

void put(Json& out, const char* key, const JsonBox& value)
{
    if (!value->is_null())
        out[key] = *value;
}

JsonBox box(const Json& object, std::string_view key)
{
    const auto* value = json_find(object, key);
    return value == nullptr ? JsonBox() : JsonBox(*value);
}

// The text that was hashed: the line with an empty hash. nullopt when there is no hash where one belongs.
std::optional<std::string> hashed_text(std::string_view line)
{
    const auto at = line.find(k_hash_head);
    if (at == std::string_view::npos)
        return std::nullopt;
    const auto from = at + k_hash_head.size();
    const auto to = line.find('"', from);
    if (to == std::string_view::npos)
        return std::nullopt;
    return std::string(line.substr(0, from)) + std::string(line.substr(to));
}

} // namespace

std::string write_line(const Entry& entry, std::string_view prev, std::string& hash_out)
{
    Json out{{"v", 1},
             {"id", entry.id},
             {"seq", entry.seq},
             {"prev", prev},
             {"hash", ""},
             {"time", format_time(entry.time)},
             {"phase", phase_name(entry.phase)}};
    put(out, "operator", entry.operator_name);
    put(out, "host", entry.host);
    put(out, "context", entry.context);
    if (!entry.command.empty())
        out["command"] = entry.command;
    put(out, "reason", entry.reason);
    put(out, "incident", entry.incident);
    put(out, "step", entry.step);
    put(out, "plan", entry.plan);
    put(out, "extra", entry.extra);
    put(out, "verdict", entry.verdict);
    put(out, "message", entry.message);
    auto text = dump_json(out);
    hash_out = hash_of(text);
    text.insert(text.find(k_hash_head) + k_hash_head.size(), hash_out);
    return text;
}

std::optional<Line> read_line(std::string_view text)
{
    const auto document = parse_json(text, {k_max_line, 64});
    if (!document || json_number_or(*document, "v", 0) != 1)
        return std::nullopt;
    Line line;
    auto& e = line.entry;
    const auto seq = json_number_or(*document, "seq", 0);
    const auto time = parse_time(json_string_or(*document, "time", ""));
    if (seq < 1 || seq > 1e15 || !time || !set_phase(e, json_string_or(*document, "phase", "")))
        return std::nullopt;
    e.id = json_string_or(*document, "id", "");
    e.seq = static_cast<std::uint64_t>(seq);
    e.time = *time;
    line.prev = json_string_or(*document, "prev", "");
    line.hash = json_string_or(*document, "hash", "");
    e.operator_name = json_string_or(*document, "operator", "");
    e.host = json_string_or(*document, "host", "");
    e.context = json_string_or(*document, "context", "");
    if (const auto* command = json_find(*document, "command"); command != nullptr && command->is_array())
        for (const auto& word : *command)
            if (word.is_string())
                e.command.push_back(word.get<std::string>());
    e.reason = json_string_or(*document, "reason", "");
    e.incident = json_string_or(*document, "incident", "");
    e.step = box(*document, "step");
    e.plan = box(*document, "plan");
    e.extra = box(*document, "extra");
    e.verdict = json_string_or(*document, "verdict", "");
    e.message = json_string_or(*document, "message", "");
    const auto hashed = hashed_text(text);
    line.hash_ok = hashed && hash_of(*hashed) == line.hash;
    return line;
}

Result<> check_listable(const fs::path& folder)
{
    std::error_code error;
    const fs::directory_iterator listed(folder, error);
    if (error && error != std::errc::no_such_file_or_directory)
        return Error{ErrorKind::failed, fmt::format("cannot read the journal in {}", folder.string()),
                     fmt::format("Look at it: ls -ld {}", folder.string())}
            .with_cause(error.message());
    return {};
}

std::vector<fs::path> month_files(const fs::path& folder)
{
    std::vector<fs::path> files;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
        const auto name = entry.path().filename().string();
        if (name.size() == 13 && name[4] == '-' && name.ends_with(".jsonl") &&
            std::ranges::all_of(name.substr(0, 4) + name.substr(5, 2),
                                [](char c) { return c >= '0' && c <= '9'; }))
            files.push_back(entry.path());
    }
    std::ranges::sort(files);
    return files;
}

fs::path month_file(const fs::path& folder, WallTime now)
{
    return folder / (format_time(now).substr(0, 7) + ".jsonl");
}

Result<> for_each_line(const fs::path& file,
                       const std::function<void(std::size_t, std::string_view, bool)>& fn)
{
    const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd)
        return file_error("read", file, errno);
    std::string buffer(65536, '\0');
    std::string line;
    std::size_t number = 0;
    for (;;) {
        const auto n = ::read(fd.get(), buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return file_error("read", file, errno);
        if (n == 0)
            break;
        std::string_view rest(buffer.data(), static_cast<std::size_t>(n));
        while (!rest.empty()) {
            const auto end = rest.find('\n');
            const auto part = rest.substr(0, end);
            line.append(
                part.substr(0, std::min(part.size(), k_max_line + 1 - std::min(line.size(), k_max_line))));
            if (end == std::string_view::npos)
                break;
            fn(++number, line, true);
            line.clear();
            rest.remove_prefix(end + 1);
        }
    }
    if (!line.empty())
        fn(++number, line, false);
    return {};
}

Result<Tail> read_tail(const fs::path& file)
{
    const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info{};
    if (!fd || ::fstat(fd.get(), &info) != 0)
        return file_error("read", file, errno);
    const auto size = static_cast<std::size_t>(info.st_size);
    const auto want = std::min(size, 2 * k_max_line + 2);
    std::string text(want, '\0');
    std::size_t got = 0;
    while (got < want) {
        const auto n =
            ::pread(fd.get(), text.data() + got, want - got, static_cast<off_t>(size - want + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return file_error("read", file, errno);
        got += static_cast<std::size_t>(n);
    }
    Tail tail;
    const auto end = text.rfind('\n');
    if (end == std::string::npos) {
        tail.torn = std::move(text);
        return tail;
    }
    tail.torn = text.substr(end + 1);
    const auto before = end == 0 ? std::string::npos : text.rfind('\n', end - 1);
    const auto from = before == std::string::npos ? 0 : before + 1;
    tail.last = read_line(std::string_view(text).substr(from, end - from));
    return tail;
}

MarkState read_mark(const fs::path& path, Mark& mark)
{
    const auto text = read_file(path, 4096);
    if (!text)
        return text.error().kind == ErrorKind::not_found ? MarkState::absent : MarkState::damaged;
    const auto document = parse_json(*text);
    if (!document)
        return MarkState::damaged;
    const auto seq = json_number_or(*document, "seq", -1);
    auto hash = json_string_or(*document, "hash", "");
    if (seq < 0 || seq > 1e15 || hash.empty())
        return MarkState::damaged;
    mark = {static_cast<std::uint64_t>(seq), std::move(hash)};
    return MarkState::read;
}

Result<> write_mark(const fs::path& path, const Mark& mark, bool durable)
{
    auto text = dump_json(Json{{"seq", mark.seq}, {"hash", mark.hash}});
    text.resize(k_mark_bytes - 1, ' ');
    text += '\n';
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd)
        return file_error("write", path, errno);
    if (::pwrite(fd.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
        ::ftruncate(fd.get(), static_cast<off_t>(text.size())) != 0 ||
        (durable && ::fdatasync(fd.get()) != 0))
        return file_error("write", path, errno == 0 ? ENOSPC : errno);
    return {};
}

Result<> append_bytes(const fs::path& file, std::string_view bytes)
{
    const bool fresh = !fs::exists(file);
    const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
    struct stat info{};
    if (!fd || ::fstat(fd.get(), &info) != 0)
        return file_error("write", file, errno);
    auto written = write_all(fd.get(), bytes, file);
    if (written && ::fsync(fd.get()) != 0)
        written = file_error("sync", file, errno);
    if (!written) {
        [[maybe_unused]] const int cut = ::ftruncate(fd.get(), info.st_size); // else it is a torn line
        return written;
    }
    if (fresh) {
        const UniqueFd folder(::open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!folder || ::fsync(folder.get()) != 0)
            return file_error("sync", file.parent_path(), errno);
    }
    return {};
}

} // namespace conduit::ops::journal_file

namespace conduit::ops {

std::string_view phase_name(Phase phase)
{
    for (const auto& [value, name] : journal_file::k_phases)
        if (value == phase)
            return name;
    return "begin";
}

} // namespace conduit::ops
