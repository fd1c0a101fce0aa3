// SPDX-License-Identifier: Apache-2.0
#include "cli/redis/clear.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <span>
#include <utility>

namespace conduit::redis {
namespace {

using std::chrono::microseconds;

constexpr microseconds k_hold{200}, k_longest_hold{2'000}; // so long may one page keep the server from others
constexpr std::size_t k_fewest_pings = 9, k_most_pings = 200;
constexpr microseconds k_measure{200'000};
constexpr std::size_t k_fewest = 20, k_most = 4'000;
constexpr Duration k_adapt{50};
constexpr Duration k_tell{200};
constexpr Duration k_slice{50};

microseconds since(SteadyTime from)
{
    return std::chrono::duration_cast<microseconds>(std::chrono::steady_clock::now() - from);
}

std::string match_of(const ClearRequest& request)
{
    return request.pattern.empty() ? match_literal(request.prefix) + "*" : request.pattern;
}

// So long may the server be kept: as long as some wait anyway. By some empty commands. Where answers take
// long in any case, larger pages make it no worse for anybody.
Result<microseconds> measure_hold(RedisSession& server, Deadline deadline)
{
    std::vector<microseconds> took;
    const auto began = std::chrono::steady_clock::now();
    while (took.size() < k_fewest_pings || (took.size() < k_most_pings && since(began) < k_measure)) {
        const auto from = std::chrono::steady_clock::now();
        TRY(server.ask({"PING"}, deadline));
        took.push_back(since(from));
    }
    std::ranges::sort(took);
    return std::clamp(took[took.size() * 95 / 100], k_hold, k_longest_hold);
}

// "calls=5,usec=120,usec_per_call=24.00": the first two.
std::optional<std::pair<std::int64_t, std::int64_t>> call_time(std::string_view text)
{
    std::pair<std::int64_t, std::int64_t> out;
    const auto read = [&](std::string_view name, std::int64_t& into) {
        const auto at = text.find(name);
        return at != std::string_view::npos &&
               std::from_chars(text.data() + at + name.size(), text.data() + text.size(), into).ec ==
                   std::errc{};
    };
    if (!read("calls=", out.first) || !read("usec=", out.second))
        return std::nullopt;
    return out;
}

// Asks the server from time to time how long our commands take it.
class Pacer {
  public:
    static Result<Pacer> make(RedisSession& server, Deadline deadline)
    {
        TRY_ASSIGN(const auto hold, measure_hold(server, deadline));
        TRY_ASSIGN(auto stats, read_info(server, "commandstats", deadline));
        return Pacer(server, hold, std::move(stats), deadline);
    }
    std::size_t keys() const { return page_.keys(); }
    bool due() const { return std::chrono::steady_clock::now() - asked_ >= k_adapt; }
    Result<> adapt() // no reply may be outstanding
    {
        TRY_ASSIGN(auto stats, read_info(*server_, "commandstats", deadline_));
        if (const auto turn = turn_between(stats_, stats))
            page_.took(*turn);
        stats_ = std::move(stats);
        asked_ = std::chrono::steady_clock::now();
        return {};
    }

  private:
    Pacer(RedisSession& server, microseconds hold, Info stats, Deadline deadline)
        : server_(&server), page_(hold), stats_(std::move(stats)), deadline_(deadline)
    {
    }
    RedisSession* server_;
    PageSize page_;
    Info stats_;
    Deadline deadline_;
    SteadyTime asked_ = std::chrono::steady_clock::now();
};

struct Batch {
    std::string commands;
    std::size_t count = 0;         // of commands
    std::vector<std::size_t> keys; // of each command
};

void add_unlink(Batch& batch, std::span<std::string> keys)
{
    std::vector<std::string_view> words{"UNLINK"};
    words.insert(words.end(), keys.begin(), keys.end());
    append_command(batch.commands, words);
    batch.keys.push_back(keys.size());
    ++batch.count;
}

// A Cluster takes several keys in one command only where all are of one slot.
Batch unlinks(std::vector<std::string>& keys, bool cluster)
{
    Batch batch;
    if (keys.empty())
        return batch;
    if (!cluster) {
        add_unlink(batch, keys);
        return batch;
    }
    std::vector<std::pair<std::uint16_t, std::size_t>> order;
    order.reserve(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i)
        order.emplace_back(slot_of(keys[i]), i);
    std::ranges::sort(order);
    std::vector<std::string> group;
    for (std::size_t i = 0; i < order.size(); ++i) {
        group.push_back(std::move(keys[order[i].second]));
        if (i + 1 == order.size() || order[i + 1].first != order[i].first) {
            add_unlink(batch, group);
            group.clear();
        }
    }
    return batch;
}

Result<> count_unlinked(const Batch& batch, std::span<const Reply> replies, const std::string& server,
                        Cleared& done)
{
    for (std::size_t i = 0; i < batch.count; ++i) {
        const auto& reply = replies[i];
        if (reply.is_integer()) {
            done.removed += static_cast<std::uint64_t>(std::max<std::int64_t>(0, reply.integer));
            continue;
        }
        const auto code = reply.error_code();
        if (code == "READONLY")
            return fail(ErrorKind::refused, fmt::format("Redis {} has become a replica", server),
                        "Look who is master now, and repeat it: conduitctl redis ping");
        if (code != "MOVED" && code != "ASK" && code != "TRYAGAIN" && code != "CLUSTERDOWN")
            return reply_error(reply, fmt::format("UNLINK on Redis {}", server));
        done.kept += batch.keys[i];
        if (done.why.empty())
            done.why = printable(reply.text.substr(0, 120));
    }
    return {};
}

class Clearing {
  public:
    Clearing(const ClearRequest& request, const ClearTools& tools, Cleared& done, Deadline deadline)
        : request_(request), tools_(tools), done_(done), deadline_(deadline), match_(match_of(request)),
          started_(tools.clock.steady()), told_(started_)
    {
    }

    // The next page is asked for before the keys of this one are dropped, so that the server has work while
    // its answer is read; and both are turns of their own, between which it serves others.
    Result<> all_of(RedisSession& server, bool cluster)
    {
        TRY_ASSIGN(auto page, Pacer::make(server, deadline_));
        TRY_ASSIGN(const auto first, server.pipeline(scan_command("0", match_, page.keys()), 1, deadline_));
        TRY_ASSIGN(auto now, read_page(first.front(), server.name()));
        Batch before;
        for (;;) {
            TRY(look_up());
            if (page.due()) {
                TRY_ASSIGN(const auto replies, server.pipeline("", before.count, deadline_));
                TRY(count_unlinked(std::exchange(before, {}), replies, server.name(), done_));
                TRY(page.adapt());
            }
            const bool last = now.cursor == "0";
            if (!last)
                TRY(server.pipeline(scan_command(now.cursor, match_, page.keys()), 0, deadline_));
            std::erase_if(now.keys,
                          [&](const std::string& key) { return !key.starts_with(request_.prefix); });
            auto batch = unlinks(now.keys, cluster);
            const auto expected = before.count + (last ? batch.count : 1);
            TRY_ASSIGN(const auto replies, server.pipeline(batch.commands, expected, deadline_));
            TRY(count_unlinked(before, replies, server.name(), done_));
            if (last)
                return count_unlinked(batch, std::span(replies).subspan(before.count), server.name(), done_);
            TRY_ASSIGN(now, read_page(replies.back(), server.name()));
            before = std::move(batch);
        }
    }

  private:
    // Tells, waits for the rate's sake, and ends when it is to end.
    Result<> look_up()
    {
        for (;;) {
            if (tools_.cancel.requested())
                return fail(ErrorKind::interrupted, "interrupted");
            if (deadline_.passed())
                return fail(ErrorKind::failed, "not all keys could be removed in time",
                            "Give it longer: --timeout 1h, or repeat it: what is gone is gone.");
            const auto now = tools_.clock.steady();
            if (tools_.told && now - told_ >= k_tell) {
                told_ = now;
                tools_.told(done_);
            }
            if (request_.per_second <= 0)
                return {};
            const double due = static_cast<double>(done_.removed) / request_.per_second;
            const auto ahead = std::chrono::duration_cast<Duration>(
                std::chrono::duration<double>(due) - std::chrono::duration<double>(now - started_));
            if (ahead <= Duration{0})
                return {};
            tools_.clock.sleep(std::min(ahead, k_slice));
        }
    }

    const ClearRequest& request_;
    const ClearTools& tools_;
    Cleared& done_;
    const Deadline deadline_;
    const std::string match_;
    const SteadyTime started_;
    SteadyTime told_;
};

bool special(char c)
{
    return std::string_view("*?[]\\").contains(c);
}

} // namespace

void PageSize::took(microseconds turn)
{
    const auto wanted =
        static_cast<double>(hold_.count()) / static_cast<double>(std::max<std::int64_t>(1, turn.count()));
    const auto next = static_cast<double>(keys_) * std::clamp(wanted, 0.5, 2.0);
    keys_ = std::clamp(static_cast<std::size_t>(next), k_fewest, k_most);
}

std::optional<microseconds> turn_between(const Info& before, const Info& after)
{
    std::optional<microseconds> longest;
    for (const auto* command : {"cmdstat_scan", "cmdstat_unlink"}) {
        const auto from = call_time(before.text_or(command, "calls=0,usec=0"));
        const auto to = call_time(after.text_or(command, ""));
        if (!from || !to || to->first <= from->first || to->second < from->second)
            continue;
        const microseconds mean((to->second - from->second) / (to->first - from->first));
        longest = std::max(longest.value_or(microseconds{0}), mean);
    }
    return longest;
}

Result<ClearRequest> clear_by_prefix(const std::string& prefix)
{
    if (prefix.empty() || std::ranges::any_of(prefix, special))
        return fail(
            ErrorKind::usage, fmt::format("'{}' is not a literal prefix", printable(prefix)),
            "Give the beginning of the keys without a pattern, such as cache: (or --pattern 'cache:*:tmp')");
    return ClearRequest{.prefix = prefix, .pattern = {}, .per_second = 0};
}

Result<ClearRequest> clear_by_pattern(const std::string& pattern)
{
    const auto end = std::ranges::find_if(pattern, special);
    std::string prefix(pattern.begin(), end);
    if (prefix.empty())
        return fail(ErrorKind::usage,
                    fmt::format("pattern '{}' has no literal beginning: it may mean anybody's keys",
                                printable(pattern)),
                    "Begin it with a prefix: --pattern 'cache:*'. To drop all: --all --db N.");
    return ClearRequest{.prefix = std::move(prefix), .pattern = pattern, .per_second = 0};
}

Result<> clear_keys(const Masters& masters, const ClearRequest& request, const ClearTools& tools,
                    Cleared& done, Deadline deadline)
{
    Clearing clearing(request, tools, done, deadline);
    for (const auto& server : masters.servers)
        TRY(clearing.all_of(*server, masters.cluster));
    return {};
}

Result<Left> count_keys(const Masters& masters, const ClearRequest& request, const Cancel& cancel,
                        Deadline deadline)
{
    Left left;
    const auto match = match_of(request);
    for (const auto& server : masters.servers) {
        TRY_ASSIGN(auto page, Pacer::make(*server, deadline));
        std::string cursor = "0";
        do {
            if (cancel.requested())
                return fail(ErrorKind::interrupted, "interrupted");
            if (page.due())
                TRY(page.adapt());
            TRY_ASSIGN(const auto replies,
                       server->pipeline(scan_command(cursor, match, page.keys()), 1, deadline));
            TRY_ASSIGN(auto next, read_page(replies.front(), server->name()));
            cursor = std::move(next.cursor);
            for (auto& key : next.keys) {
                if (!key.starts_with(request.prefix))
                    continue;
                ++left.count;
                if (left.some.size() < 3)
                    left.some.push_back(std::move(key));
            }
        } while (cursor != "0");
    }
    return left;
}

} // namespace conduit::redis
