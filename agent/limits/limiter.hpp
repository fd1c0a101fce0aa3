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
    // Of a limit that the replicas share, see shared_limits.hpp; times as in tat.
    std::atomic<std::int64_t> tokens{0};       // taken from Redis in advance
    std::atomic<std::int64_t> tokens_until{0}; // they are worth nothing afterwards
    std::atomic<std::int64_t> refused_until{0};
    std::atomic<bool> refilling{false};
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

// `burst` tokens may come at once, then one every interval.
struct Pace {
    std::int64_t interval_ns = 0;
    std::int64_t burst = 1;
};

struct LimitStep { // one limit that applies to a request
    LimitSlot* slot = nullptr;
    LimitReason reason = LimitReason::none;
    Pace pace;                   // of this replica's share
    const ApiKey* key = nullptr; // of LimitReason::key
};
struct LimitSteps {
    std::array<LimitStep, 3> steps;
    std::size_t count = 0;
    const LimitStep* begin() const { return steps.data(); }
    const LimitStep* end() const { return steps.data() + count; }
};

class Limiter {
  public:
    // The slot of a key id; created on first use, never freed. Control path only (takes a lock).
    LimitSlot* slot(const std::string& key_id);
    // Takes one token from each limit that applies (emergency, global, key); takes none when one refuses.
    LimitVerdict take(const Snapshot& snapshot, const ApiKey* key, SteadyTime now);
    // The limits that apply, in the order in which they refuse, divided by so many replicas.
    LimitSteps steps(const Snapshot& snapshot, const ApiKey* key, std::uint32_t replicas);
    LimitSlot& global() { return global_; }
    LimitSlot& emergency() { return emergency_; }

  private:
    std::mutex mutex_;
    std::map<std::string, LimitSlot*> by_id_;
    std::deque<LimitSlot> slots_;
    LimitSlot global_;
    LimitSlot emergency_;
};

Duration wait_of(std::int64_t wait_ns); // rounded up
// Spends a token that another count has allowed, so that this one is true when it is needed. Never beyond its
// burst.
void gcra_spend(std::atomic<std::int64_t>& tat, std::int64_t now_ns, const Pace& pace);

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
