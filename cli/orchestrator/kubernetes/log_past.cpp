// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/log_past.hpp"

#include "cli/orchestrator/kubernetes/log_feed.hpp"
#include "cli/orchestrator/log_level.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <fmt/format.h>
#include <memory>
#include <queue>
#include <thread>

namespace conduit::kubernetes {
namespace {

constexpr std::size_t k_at_once = 3; // opening a connection costs more than several answers
constexpr std::size_t k_longest_line = 1U << 20U;
constexpr std::size_t k_ahead = 256U << 10U; // bytes of one log in memory, where there is no tail

// A container that has not begun to write is no error, nor is one whose log was cleaned away.
bool has_no_log(const Error& error)
{
    return error.kind == ErrorKind::failed &&
           (error.message.contains("previous terminated container") ||
            error.message.contains("is waiting to start") || error.message.contains("ContainerCreating") ||
            error.message.contains("PodInitializing"));
}

struct PastRead {
    WorkloadApi& workloads;
    const LogQuery& query;
    const Pattern& pattern;
    const Cancel& enough;
    Deadline deadline;

    bool chooses() const { return !query.grep.empty() || query.level != LogLevel::none; }

    std::string path(const LogSource& source) const
    {
        kube::Query out;
        if (query.since)
            out.emplace("sinceTime", format_time(*query.since));
        if (query.tail && !chooses()) // else the last lines that match are asked for
            out.emplace("tailLines", std::to_string(*query.tail));
        return log_path(workloads, source, std::move(out));
    }

    Result<> stream(const LogSource& source, const kube::OnPiece& piece, bool& began) const
    {
        auto& transport = workloads.api().transport();
        const kube::Call call{.path = path(source), .accept = "*/*", .stop = &enough};
        const auto answer = transport.stream(call, piece, deadline);
        if (!answer)
            return answer.error();
        if (answer->status >= 300)
            return kube::error_of(*answer, call, transport.server());
        if (!answer->whole && !enough.requested())
            return fail(ErrorKind::unknown, fmt::format("the log of {} broke off in the middle", source.pod));
        began = true;
        return {};
    }

    // Gives the lines to the feed. With an expression and a tail only the last that match are kept.
    Result<> read(const LogSource& source, LogFeed& feed) const
    {
        const bool hold = query.tail && chooses();
        LevelFilter level(query.level);
        std::deque<std::string> last;
        LineCutter cutter;
        std::string block;
        bool began = false;
        const auto take = [&](std::string_view line) {
            if (chooses()) {
                const std::string text(stamped(line).text);
                if (!level.keeps(text) || !pattern.matches(text))
                    return true;
            }
            if (!hold) {
                block.append(line) += '\n';
                return true;
            }
            last.emplace_back(line) += '\n';
            if (last.size() > *query.tail)
                last.pop_front();
            return true;
        };
        const auto piece = [&](std::string_view bytes) {
            began = true;
            cutter.feed(bytes, take);
            return block.empty() || feed.push(std::exchange(block, {}));
        };
        auto how = stream(source, piece, began);
        if (!how && how.error().kind == ErrorKind::unknown && !began) // a kept connection had ended
            how = stream(source, piece, began);
        if (how && !cutter.rest().empty())
            take(cutter.rest());
        for (const auto& line : last)
            block += line;
        if (!block.empty())
            feed.push(std::move(block));
        return how;
    }
};

// The lines of all feeds in the order of their times; of two at the same time, those of the first source.
Result<bool> merge(const std::vector<LogSource>& from, const std::vector<std::unique_ptr<LogFeed>>& feeds,
                   const LogSink& sink)
{
    const auto later = [&](std::size_t a, std::size_t b) {
        const int order = feeds[a]->stamp().compare(feeds[b]->stamp());
        return order != 0 ? order > 0 : a > b;
    };
    std::priority_queue<std::size_t, std::vector<std::size_t>, decltype(later)> heads(later);
    const auto advance = [&](std::size_t n) -> Result<> {
        if (feeds[n]->next())
            heads.push(n);
        else if (!feeds[n]->how() && !has_no_log(feeds[n]->how().error()))
            return feeds[n]->how().error();
        return {};
    };
    for (std::size_t n = 0; n < feeds.size(); ++n)
        TRY(advance(n));
    while (!heads.empty()) {
        const auto n = heads.top();
        heads.pop();
        if (!sink({from[n].pod, std::string(feeds[n]->line().text)}))
            return false;
        TRY(advance(n));
    }
    return true;
}

} // namespace

bool LineCutter::feed(std::string_view piece, const std::function<bool(std::string_view line)>& take)
{
    for (auto end = piece.find('\n'); end != std::string_view::npos; end = piece.find('\n')) {
        rest_.append(piece.substr(0, end));
        piece.remove_prefix(end + 1);
        const bool more = take(rest_);
        rest_.clear();
        if (!more)
            return false;
    }
    rest_.append(piece);
    if (rest_.size() <= k_longest_line)
        return true;
    const bool more = take(rest_);
    rest_.clear();
    return more;
}

Result<PastLogs> past_logs(WorkloadApi& workloads, const std::vector<LogSource>& from, const LogQuery& query,
                           const Pattern& pattern, const LogSink& sink, Deadline deadline)
{
    Cancel enough;
    const PastRead past{workloads, query, pattern, enough, deadline};
    std::vector<std::unique_ptr<LogFeed>> feeds;
    for (std::size_t i = 0; i < from.size(); ++i)
        feeds.push_back(query.tail ? std::make_unique<LogFeed>() : std::make_unique<LogFeed>(k_ahead));
    // A bounded feed is read while the others are: each needs a connection. A tail can wait for its turn.
    const auto readers = query.tail ? std::min(k_at_once, from.size()) : from.size();
    std::atomic<std::size_t> next{0};
    PastLogs out;
    Result<bool> merged = true;
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < readers; ++i)
            threads.emplace_back([&] {
                for (std::size_t n = next++; n < from.size(); n = next++)
                    feeds[n]->end(past.read(from[n], *feeds[n]));
            });
        merged = merge(from, feeds, sink);
        enough.request();
        for (const auto& feed : feeds)
            feed->stop();
    }
    if (!merged)
        return std::move(merged).error();
    out.enough = !*merged;
    for (std::size_t n = 0; n < from.size(); ++n)
        out.last[from[n]] = feeds[n]->stamp();
    return out;
}

} // namespace conduit::kubernetes
