// SPDX-License-Identifier: Apache-2.0
// The cache that the replicas share, behind each one's memory. Redis away, slow, full or emptied is a miss; a
// write is tried once, after the answer has gone out.
#pragma once

#include "agent/cache/cache.hpp"
#include "agent/cache/clear_history.hpp"
#include "agent/redis/port.hpp"
#include "core/clock.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::agent {

struct SharedHit {
    CachedPtr answer; // null: a miss
    Duration ttl{0};  // what is left of it
};

struct SharedCacheStats {
    std::uint64_t hits = 0, misses = 0, unusable = 0, writes = 0, failures = 0;
};

struct Sweep { // of the keys that a clear has ended
    enum class State : std::uint8_t { none, running, done, elsewhere, not_reached };
    State state = State::none;
    std::uint64_t epoch = 0;
    std::string prefix;
    std::uint64_t removed = 0;
    std::string error;
};
std::string_view sweep_state_name(Sweep::State state);

class SharedCache {
  public:
    struct Parts { // outlive it and every command it asks
        RedisPort& reads;
        RedisPort& writes; // apart, so that a large value on its way keeps no reader waiting
        const Clock& clock;
    };
    explicit SharedCache(Parts parts);
    ~SharedCache();

    // Calls `found` once, not later than `within`, on the port's thread or at once. `now` is the mark of the
    // request's snapshot; `most` the time to live as configured now.
    void get(std::string key, std::uint64_t now, Duration most, Duration within,
             std::function<void(SharedHit)> found);
    void put(std::string key, CachedPtr answer, Duration ttl, std::uint64_t mark);
    bool up() const;

    // A snapshot that is about to be used: entries that its clear ended are dead from here on, and one
    // replica removes their keys. `use`: is Redis configured as the cache?
    ClearHistory::News note(const ClearMark& mark, bool use);
    Sweep last_sweep() const;
    SharedCacheStats stats() const;

    // For the admin API, on its threads. Entries in Redis that begin with the prefix and no clear has ended,
    // at most `limit`; `now` as in get().
    Result<std::vector<CacheEntryInfo>> list(std::string_view prefix, std::uint64_t now, std::size_t limit,
                                             Duration within);
    Result<std::uint64_t> used_bytes(Duration within); // of the whole server

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_; // commands on their way hold it too
};

} // namespace conduit::agent
