// SPDX-License-Identifier: Apache-2.0
#include "agent/cache/cache.hpp"

#include <algorithm>
#include <atomic>
#include <list>
#include <mutex>
#include <unordered_map>

namespace conduit::agent {
namespace {

// What an entry costs beyond its key and body: list and table nodes, the shared answer, the allocator.
constexpr std::uint64_t k_entry_overhead = 256;
constexpr std::size_t k_max_shards = 16;
constexpr std::uint64_t k_least_shard_bytes = 16U << 20U;
constexpr int k_expiry_samples = 4; // oldest entries looked at by each put

struct Entry {
    std::string key;
    CachedPtr answer;
    SteadyTime expires;
    std::uint64_t bytes = 0;
    std::uint64_t hits = 0;
};

std::uint64_t bytes_of(std::string_view key, const CachedAnswer& answer)
{
    return key.size() + answer.body.capacity() + answer.content_type.size() + answer.provider.size() +
           k_entry_overhead;
}

SteadyTime expiry(SteadyTime now, Duration ttl)
{
    return ttl >= std::chrono::floor<Duration>(SteadyTime::max() - now) ? SteadyTime::max() : now + ttl;
}

class Shard {
  public:
    CachedPtr get(std::string_view key, SteadyTime now)
    {
        const std::scoped_lock lock(mutex_);
        const auto found = by_key_.find(key);
        if (found == by_key_.end() || found->second->expires <= now) {
            ++stats_.misses;
            if (found != by_key_.end())
                drop(found->second, stats_.expired);
            return nullptr;
        }
        entries_.splice(entries_.begin(), entries_, found->second);
        ++found->second->hits;
        ++stats_.hits;
        return found->second->answer;
    }

    void put(std::string_view key, CachedPtr answer, Duration ttl, SteadyTime now)
    {
        const auto bytes = bytes_of(key, *answer);
        const std::scoped_lock lock(mutex_);
        if (const auto found = by_key_.find(key); found != by_key_.end()) {
            std::uint64_t replaced = 0;
            drop(found->second, replaced);
        }
        if (bytes > max_bytes_)
            return;
        sample_expired(now);
        entries_.push_front({std::string(key), std::move(answer), expiry(now, ttl), bytes, 0});
        by_key_.emplace(entries_.front().key, entries_.begin());
        stats_.bytes += bytes;
        ++stats_.inserts;
        evict();
    }

    std::uint64_t clear(std::string_view prefix)
    {
        const std::scoped_lock lock(mutex_);
        std::uint64_t dropped = 0;
        for (auto it = entries_.begin(); it != entries_.end();) {
            const auto entry = it++;
            if (entry->key.starts_with(prefix))
                drop(entry, dropped);
        }
        stats_.cleared += dropped;
        return dropped;
    }

    void list(std::string_view prefix, std::size_t limit, SteadyTime now,
              std::vector<CacheEntryInfo>& out) const
    {
        const std::scoped_lock lock(mutex_);
        for (const auto& entry : entries_) {
            if (out.size() >= limit)
                return;
            if (entry.expires <= now || !entry.key.starts_with(prefix))
                continue;
            out.push_back({entry.key, entry.bytes, std::chrono::ceil<Duration>(entry.expires - now),
                           entry.hits, entry.answer->provider});
        }
    }

    void add_stats(CacheStats& sum) const
    {
        const std::scoped_lock lock(mutex_);
        sum.entries += entries_.size();
        sum.bytes += stats_.bytes;
        sum.hits += stats_.hits;
        sum.misses += stats_.misses;
        sum.inserts += stats_.inserts;
        sum.evictions += stats_.evictions;
        sum.expired += stats_.expired;
        sum.cleared += stats_.cleared;
    }

    void set_max_bytes(std::uint64_t bytes)
    {
        const std::scoped_lock lock(mutex_);
        max_bytes_ = bytes;
        evict();
    }

  private:
    using Iterator = std::list<Entry>::iterator;

    void drop(Iterator entry, std::uint64_t& counter)
    {
        stats_.bytes -= entry->bytes;
        by_key_.erase(entry->key);
        entries_.erase(entry);
        ++counter;
    }

    void evict()
    {
        while (stats_.bytes > max_bytes_)
            drop(std::prev(entries_.end()), stats_.evictions);
    }

    // Keeps dead entries from sitting at the end of a cache that never fills up.
    void sample_expired(SteadyTime now)
    {
        for (int i = 0; i < k_expiry_samples && !entries_.empty(); ++i) {
            const auto oldest = std::prev(entries_.end());
            if (oldest->expires > now)
                return;
            drop(oldest, stats_.expired);
        }
    }

    mutable std::mutex mutex_;
    std::list<Entry> entries_; // most recently used first
    std::unordered_map<std::string_view, Iterator> by_key_;
    std::uint64_t max_bytes_ = 0;
    CacheStats stats_;
};

class MemoryCache final : public Cache {
  public:
    explicit MemoryCache(std::uint64_t max_bytes)
        : shards_(std::clamp<std::size_t>(max_bytes / k_least_shard_bytes, 1, k_max_shards))
    {
        set_max_bytes(max_bytes);
    }

    CachedPtr get(std::string_view key, SteadyTime now) override { return shard(key).get(key, now); }

    void put(std::string_view key, CachedPtr answer, Duration ttl, SteadyTime now) override
    {
        if (answer && ttl > Duration{0})
            shard(key).put(key, std::move(answer), ttl, now);
    }

    Result<std::uint64_t> clear(std::string_view prefix) override
    {
        if (prefix.empty())
            return fail(ErrorKind::usage, "the prefix of the cache keys to clear is empty",
                        "Name what to clear, for example audio:tts: or audio:.");
        std::uint64_t dropped = 0;
        for (auto& shard : shards_)
            dropped += shard.clear(prefix);
        return dropped;
    }

    std::vector<CacheEntryInfo> list(std::string_view prefix, std::size_t limit,
                                     SteadyTime now) const override
    {
        std::vector<CacheEntryInfo> found;
        for (const auto& shard : shards_)
            shard.list(prefix, limit, now, found);
        return found;
    }

    CacheStats stats() const override
    {
        CacheStats sum;
        sum.max_bytes = max_bytes_.load(std::memory_order_relaxed);
        for (const auto& shard : shards_)
            shard.add_stats(sum);
        return sum;
    }

    void set_max_bytes(std::uint64_t bytes) override
    {
        max_bytes_.store(bytes, std::memory_order_relaxed);
        for (auto& shard : shards_)
            shard.set_max_bytes(bytes / shards_.size());
    }

  private:
    Shard& shard(std::string_view key)
    {
        return shards_[std::hash<std::string_view>{}(key) % shards_.size()];
    }

    std::vector<Shard> shards_; // their number stays; a later size is divided among them
    std::atomic<std::uint64_t> max_bytes_{0};
};

} // namespace

std::unique_ptr<Cache> make_memory_cache(std::uint64_t max_bytes)
{
    return std::make_unique<MemoryCache>(max_bytes);
}

} // namespace conduit::agent
