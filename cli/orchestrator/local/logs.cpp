// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/logs.hpp"

#include "cli/orchestrator/log_level.hpp"
#include "cli/orchestrator/pattern.hpp"
#include "core/json.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <fcntl.h>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

namespace conduit::local {
namespace {

constexpr Duration k_follow_poll{100};
constexpr std::size_t k_longest_line = 256U << 10U;

// One log that is read on from where it was left.
struct Reader {
    std::string instance;
    UniqueFd fd;
    off_t at = 0;
    std::string rest; // of a line that has no end yet
};

// What was added since; a file that became shorter was emptied by the rotation.
std::vector<std::string> new_lines(Reader& reader)
{
    struct stat info{};
    if (::fstat(reader.fd.get(), &info) != 0)
        return {};
    if (info.st_size < reader.at)
        reader.at = 0;
    std::vector<std::string> lines;
    std::string buffer(65'536, '\0');
    for (;;) {
        const auto n = ::pread(reader.fd.get(), buffer.data(), buffer.size(), reader.at);
        if (n <= 0)
            return lines;
        reader.at += n;
        reader.rest.append(buffer, 0, static_cast<std::size_t>(n));
        std::size_t begin = 0;
        for (auto end = reader.rest.find('\n'); end != std::string::npos;
             end = reader.rest.find('\n', begin)) {
            lines.push_back(reader.rest.substr(begin, end - begin));
            begin = end + 1;
        }
        reader.rest.erase(0, begin);
        if (reader.rest.size() > k_longest_line)
            lines.push_back(std::exchange(reader.rest, {}));
    }
}

std::optional<Reader> open_log(const fs::path& file, const std::string& instance)
{
    UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd)
        return std::nullopt;
    return Reader{instance, std::move(fd), 0, {}};
}

struct Wanted {
    const LogQuery& query;
    const Pattern& pattern;
    std::map<std::string, LevelFilter> levels{}; // by instance
    bool operator()(const std::string& instance, const std::string& line)
    {
        if (query.level != LogLevel::none &&
            !levels.try_emplace(instance, query.level).first->second.keeps(line))
            return false;
        if (query.since)
            if (const auto at = line_time(line); at && *at < *query.since)
                return false;
        return pattern.matches(line);
    }
};

bool chosen(const LogQuery& query, const std::string& instance)
{
    if (query.instances.empty())
        return query.workload.empty() || workload_of(instance) == query.workload;
    // "sim" is a workload and its only instance; either way it is the same log.
    const bool of_workload = query.instances.size() == 1 && workload_of(instance) == query.instances.front();
    return of_workload || std::ranges::find(query.instances, instance) != query.instances.end();
}

// Everything there is of one instance, oldest first; the reader of the live file is kept for following.
std::deque<std::string> past_lines(const Layout& layout, Wanted& wanted, Reader& live)
{
    std::deque<std::string> lines;
    const auto keep = [&](std::string line) {
        if (!wanted(live.instance, line))
            return;
        lines.push_back(std::move(line));
        if (wanted.query.tail && lines.size() > *wanted.query.tail)
            lines.pop_front();
    };
    const auto take = [&](Reader& reader) {
        for (auto& line : new_lines(reader))
            keep(std::move(line));
    };
    for (int n = 9; n >= 1; --n)
        if (auto old =
                open_log(fmt::format("{}.{}", layout.log_file(live.instance).string(), n), live.instance))
            take(*old);
    take(live);
    if (!wanted.query.follow && !live.rest.empty())
        keep(std::exchange(live.rest, {}));
    return lines;
}

Result<> follow(const Layout& layout, Wanted& wanted, std::vector<Reader>& readers, const LogSink& sink,
                const Cancel& cancel, Deadline deadline)
{
    while (!cancel.requested() && !deadline.passed()) {
        for (const auto& instance : logged_instances(layout)) // a replica that came later
            if (chosen(wanted.query, instance) &&
                std::ranges::find(readers, instance, &Reader::instance) == readers.end())
                if (auto reader = open_log(layout.log_file(instance), instance))
                    readers.push_back(*std::move(reader));
        for (auto& reader : readers)
            for (auto& line : new_lines(reader))
                if (wanted(reader.instance, line) && !sink({reader.instance, std::move(line)}))
                    return {};
        system_clock().sleep(k_follow_poll);
    }
    if (cancel.requested())
        return fail(ErrorKind::interrupted, "interrupted");
    return {};
}

} // namespace

std::string workload_of(std::string_view instance)
{
    const auto dash = instance.rfind('-');
    const bool numbered = dash != std::string_view::npos && dash + 1 < instance.size() &&
                          instance.find_first_not_of("0123456789", dash + 1) == std::string_view::npos;
    return std::string(numbered ? instance.substr(0, dash) : instance);
}

std::vector<std::string> logged_instances(const Layout& layout)
{
    std::vector<std::string> names;
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(layout.log(), ec))
        if (entry.path().extension() == ".log" && entry.path() != layout.supervisor_log())
            names.push_back(entry.path().stem().string());
    std::ranges::sort(names);
    return names;
}

std::optional<WallTime> line_time(std::string_view line)
{
    if (line.starts_with('{')) {
        const auto document = parse_json(line);
        if (!document)
            return std::nullopt;
        for (const auto* key : {"time", "ts", "timestamp"})
            if (const auto at = parse_time(json_string_or(*document, key, "")))
                return *at;
        return std::nullopt;
    }
    const auto at = parse_time(line.substr(0, line.find(' ')));
    return at ? std::optional(*at) : std::nullopt;
}

Result<> read_logs(const Layout& layout, const LogQuery& query, const LogSink& sink, const Cancel& cancel,
                   Deadline deadline)
{
    TRY_ASSIGN(const Pattern pattern, Pattern::compile(query.grep));
    Wanted wanted{query, pattern};
    const auto known = logged_instances(layout);
    const auto is_workload = [&](const std::string& name) {
        return query.instances.size() == 1 && std::ranges::find(known, name, workload_of) != known.end();
    };
    for (const auto& name : query.instances)
        if (std::ranges::find(known, name) == known.end() && !is_workload(name))
            return fail(ErrorKind::not_found, unknown_name("instance", name, known), "See: conduitctl ps");
    std::vector<Reader> readers;
    for (const auto& name : known)
        if (chosen(query, name))
            if (auto reader = open_log(layout.log_file(name), name))
                readers.push_back(*std::move(reader));
    if (readers.empty() && !query.workload.empty()) {
        std::vector<std::string> workloads;
        for (const auto& name : known)
            workloads.push_back(workload_of(name));
        return fail(ErrorKind::not_found, unknown_name("workload", query.workload, workloads),
                    "See: conduitctl ps");
    }
    for (auto& reader : readers)
        for (auto& line : past_lines(layout, wanted, reader))
            if (!sink({reader.instance, std::move(line)}))
                return {};
    return query.follow ? follow(layout, wanted, readers, sink, cancel, deadline) : Result<>{};
}

} // namespace conduit::local
