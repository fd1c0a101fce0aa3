// SPDX-License-Identifier: Apache-2.0
// Rate limits without a lock: GCRA on one atomic "theoretical arrival time" a limit.
#pragma once

#include "core/clock.hpp"
#include "core/duration.hpp"

#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <string>

namespace conduit::agent {

struct LimitSlot {
    std::atomic<std::int64_t> tat{0}; // nanoseconds of the steady clock
    std::atomic<std::uint64_t> allowed{0};
    std::atomic<std::uint64_t> refused{0};
};

enum class LimitReason : std::uint8_t { none, key, global, emergency };
std::string_view limit_reason_name(LimitReason reason);

struct LimitVerdict {
    LimitReason refused_by = LimitReason::none;
    Duration retry_after{0}; // until the next request would pass, rounded up to the millisecond
    bool allowed() const { return refused_by == LimitReason::none; }
};

struct Snapshot;
struct ApiKey;

class Limiter {
  public:
    // The slot of a key id; created on first use, never freed. Control path only (takes a lock).
    LimitSlot* slot(const std::string& key_id);
    // Takes one token from each limit that applies (emergency, global, key); takes none when one refuses.
    LimitVerdict take(const Snapshot& snapshot, const ApiKey* key, SteadyTime now);
    LimitSlot& global() { return global_; }
    LimitSlot& emergency() { return emergency_; }

  private:
    std::mutex mutex_;
    std::map<std::string, LimitSlot*> by_id_;
    std::deque<LimitSlot> slots_;
    LimitSlot global_;
    LimitSlot emergency_;
};

// GCRA step, exposed for tests: true when allowed. `burst` tokens may come at once, then one every
// `interval`.
bool gcra_take(std::atomic<std::int64_t>& tat, std::int64_t now_ns, std::int64_t interval_ns,
               std::int64_t burst, std::int64_t& wait_ns);

// Retries may be at most share * requests in the window, but always at least the floor.
class RetryBudget {
  public:
    void on_request(SteadyTime now);
    bool try_retry(SteadyTime now, double share, const Rate& floor);

  private:
    void roll(std::int64_t second);
    struct Bucket {
        std::atomic<std::int64_t> second{-1};
        std::atomic<std::uint32_t> requests{0};
        std::atomic<std::uint32_t> retries{0};
    };
    std::array<Bucket, 16> buckets_; // one-second buckets; the window is 10 s
};

} // namespace conduit::agent
