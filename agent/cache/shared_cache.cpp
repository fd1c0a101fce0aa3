// SPDX-License-Identifier: Apache-2.0
#include "agent/cache/shared_cache.hpp"

#include "agent/cache/entry_codec.hpp"
#include "agent/cache/sweeper.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>

namespace conduit::agent {
namespace {

constexpr Duration k_write{5'000};
constexpr std::string_view k_page = "500";

} // namespace

struct SharedCache::Impl {
    explicit Impl(Parts p) : parts(p), sweeper(std::make_shared<Sweeper>(p.writes)) {}
    SharedHit judge(const std::string& key, const redis::Reply& reply, std::uint64_t now, Duration most);
    Result<> describe(const std::vector<std::string>& keys, std::uint64_t now, Deadline deadline,
                      std::vector<CacheEntryInfo>& found);

    Parts parts;
    ClearHistory clears;
    std::shared_ptr<Sweeper> sweeper;
    std::atomic<std::uint64_t> hits{0}, misses{0}, unusable{0}, writes{0}, failures{0};
};

SharedCache::SharedCache(Parts parts) : impl_(std::make_shared<Impl>(parts)) {}
SharedCache::~SharedCache() = default;

SharedHit SharedCache::Impl::judge(const std::string& key, const redis::Reply& reply, std::uint64_t now,
                                   Duration most)
{
    if (!reply.is_text()) {
        ++misses;
        return {};
    }
    auto entry = decode_entry(key, reply.text);
    if (!entry || !clears.alive(key, entry->mark, now)) {
        ++unusable;
        return {};
    }
    // Clocks of replicas differ: an entry never lives longer than this one's configuration says.
    const Duration left = std::min(entry->expires - parts.clock.now(), most);
    if (left <= Duration{0}) {
        ++unusable;
        return {};
    }
    ++hits;
    return {std::make_shared<const CachedAnswer>(std::move(entry->answer)), left};
}

void SharedCache::get(std::string key, std::uint64_t now, Duration most, Duration within,
                      std::function<void(SharedHit)> found)
{
    auto command = redis::command({"GET", key});
    impl_->parts.reads.submit(
        std::move(command),
        [impl = impl_, key = std::move(key), now, most,
         found = std::move(found)](Result<redis::Reply> reply) {
            if (!reply)
                ++impl->failures;
            found(reply ? impl->judge(key, *reply, now, most) : SharedHit{});
        },
        within);
}

void SharedCache::put(std::string key, CachedPtr answer, Duration ttl, std::uint64_t mark)
{
    if (!answer || ttl <= Duration{0} || !impl_->parts.writes.up())
        return;
    const auto bytes = answer->body.size();
    const auto make = [key = std::move(key), answer = std::move(answer), mark, ttl,
                       now = impl_->parts.clock.now()] {
        const auto value = encode_entry(key, *answer, mark, now + ttl);
        return redis::command({"SET", key, value, "PX", std::to_string(ttl.count())});
    };
    impl_->parts.writes.submit_made(
        bytes, make,
        [impl = impl_](const Result<redis::Reply>& reply) { ++(reply ? impl->writes : impl->failures); },
        k_write);
}

bool SharedCache::up() const
{
    return impl_->parts.reads.up();
}

ClearHistory::News SharedCache::note(const ClearMark& mark, bool use)
{
    const auto news = impl_->clears.note(mark);
    if (use && news != ClearHistory::News::none)
        impl_->sweeper->start(mark.epoch, mark.revision,
                              news == ClearHistory::News::gap ? "audio:" : mark.prefix);
    return news;
}

Sweep SharedCache::last_sweep() const
{
    return impl_->sweeper->last();
}

SharedCacheStats SharedCache::stats() const
{
    return {impl_->hits, impl_->misses, impl_->unusable, impl_->writes, impl_->failures};
}

// What is asked of each key of a page: its head, its size, and how long it has.
Result<> SharedCache::Impl::describe(const std::vector<std::string>& keys, std::uint64_t now,
                                     Deadline deadline, std::vector<CacheEntryInfo>& found)
{
    std::vector<std::string> commands;
    for (const auto& key : keys) {
        commands.push_back(redis::command({"GETRANGE", key, "0", std::to_string(k_entry_head - 1)}));
        commands.push_back(redis::command({"STRLEN", key}));
        commands.push_back(redis::command({"PTTL", key}));
    }
    const auto replies = parts.writes.ask_each(std::move(commands), deadline.left());
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const auto& head = replies[3 * i];
        const auto& size = replies[3 * i + 1];
        const auto& left = replies[3 * i + 2];
        if (!left)
            return left.error();
        const auto made =
            head ? entry_mark(head->text) : std::nullopt; // another type of key is an error reply
        if (!made || !size || left->integer <= 0 || !clears.alive(keys[i], *made, now))
            continue;
        found.push_back({.key = keys[i],
                         .bytes = static_cast<std::uint64_t>(size->integer),
                         .expires_in = Duration(left->integer)});
    }
    return {};
}

Result<std::vector<CacheEntryInfo>> SharedCache::list(std::string_view prefix, std::uint64_t now,
                                                      std::size_t limit, Duration within)
{
    const Deadline deadline(within);
    const auto pattern = redis::match_literal(prefix) + "*";
    std::vector<CacheEntryInfo> found;
    std::string cursor = "0";
    do {
        TRY_ASSIGN(const auto page,
                   impl_->parts.writes.ask(
                       redis::command({"SCAN", cursor, "MATCH", pattern, "COUNT", k_page}), deadline.left()));
        TRY_ASSIGN(auto keys, scanned(page, cursor));
        std::erase_if(keys, [](const std::string& key) { return !is_cache_key(key); });
        TRY(impl_->describe(keys, now, deadline, found));
    } while (cursor != "0" && found.size() < limit);
    if (found.size() > limit)
        found.resize(limit);
    return found;
}

Result<std::uint64_t> SharedCache::used_bytes(Duration within)
{
    TRY_ASSIGN(const auto reply, impl_->parts.writes.ask(redis::command({"INFO", "memory"}), within));
    constexpr std::string_view name = "used_memory:";
    const auto at = reply.text.find(name);
    std::uint64_t bytes = 0;
    const auto* begin = reply.text.data() + (at == std::string::npos ? reply.text.size() : at + name.size());
    if (std::from_chars(begin, reply.text.data() + reply.text.size(), bytes).ec != std::errc{})
        return fail(ErrorKind::unknown, "Redis does not say how much memory it uses");
    return bytes;
}

} // namespace conduit::agent
