// SPDX-License-Identifier: Apache-2.0
#include "cli/redis/clear.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace conduit::redis {
namespace {

using std::chrono::microseconds;

constexpr microseconds k_hold{250}; // so long may one page keep the server from others
constexpr std::size_t k_fewest = 20, k_most = 4'000;
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

// The middle one of some: what an empty command costs there and back.
Result<microseconds> round_trip(RedisSession& server, Deadline deadline)
{
    std::vector<microseconds> took;
    for (int i = 0; i < 9; ++i) {
        const auto from = std::chrono::steady_clock::now();
        TRY(server.ask({"PING"}, deadline));
        took.push_back(since(from));
    }
    std::ranges::nth_element(took, took.begin() + 4);
    return took[4];
}

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

    Result<> all_of(RedisSession& server, bool cluster)
    {
        TRY_ASSIGN(const auto trip, round_trip(server, deadline_));
        PageSize page(std::max(k_hold, trip), trip);
        std::string cursor = "0";
        std::vector<std::string> keys;
        bool last = false;
        // The keys of a page are dropped in the round trip that fetches the next one.
        for (;;) {
            TRY(look_up());
            auto batch = unlinks(keys, cluster);
            const auto count = batch.count;
            if (!last)
                batch.commands += scan_command(cursor, match_, page.keys());
            if (batch.commands.empty())
                return {};
            const auto from = std::chrono::steady_clock::now();
            TRY_ASSIGN(const auto replies,
                       server.pipeline(batch.commands, count + (last ? 0 : 1), deadline_));
            page.took(since(from));
            TRY(count_unlinked(batch, replies, server.name(), done_));
            if (last)
                return {};
            TRY_ASSIGN(auto next, read_page(replies.back(), server.name()));
            keys = std::move(next.keys);
            std::erase_if(keys, [&](const std::string& key) { return !key.starts_with(request_.prefix); });
            cursor = std::move(next.cursor);
            last = cursor == "0";
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

void PageSize::took(microseconds whole)
{
    const auto busy = std::max(microseconds{0}, whole - round_trip_);
    if (busy > hold_)
        keys_ = std::max(k_fewest, keys_ * 3 / 4);
    else if (busy < hold_ * 3 / 4)
        keys_ = std::min(k_most, keys_ + keys_ / 8 + 1);
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
        TRY_ASSIGN(const auto trip, round_trip(*server, deadline));
        PageSize page(std::max(k_hold, trip), trip);
        std::string cursor = "0";
        do {
            if (cancel.requested())
                return fail(ErrorKind::interrupted, "interrupted");
            const auto from = std::chrono::steady_clock::now();
            TRY_ASSIGN(const auto replies,
                       server->pipeline(scan_command(cursor, match, page.keys()), 1, deadline));
            page.took(since(from));
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
