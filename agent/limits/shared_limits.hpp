// SPDX-License-Identifier: Apache-2.0
// Limits that all replicas count together, in Redis and by Redis' clock. The same GCRA as a replica's own, as
// one script over all limits of a request, so that a token is taken from each or from none.
//
// Accuracy. A replica takes tokens in advance, a twentieth of a second's worth, at most 64, which are worth
// nothing after a second. Over any window at most count + burst + replicas × that many pass: one more in none
// for rates below 40 a second, so `limit emergency` of 100 a minute is exact to its burst of 1. When Redis
// forgets (FLUSHALL, eviction, a failover that loses writes) a burst may pass anew.
//
// Redis away, or no answer in time: the replica's own share (rate / replicas) decides, which has been
// counting along. So nothing is refused because of Redis, and what passes in all stays the limit.
#pragma once

#include "agent/limits/limiter.hpp"
#include "agent/redis/port.hpp"

#include <functional>
#include <memory>
#include <optional>

namespace conduit::agent {

struct SharedLimitsStats {
    std::uint64_t asked = 0, fallbacks = 0; // verdicts by Redis; by the own share because it was away
};

class SharedLimits {
  public:
    SharedLimits(RedisPort& port, Limiter& limiter);
    ~SharedLimits();

    // A verdict without asking: tokens are at hand, a refusal is known to hold, or Redis is away. nullopt:
    // ask().
    std::optional<LimitVerdict> take(const Snapshot& snapshot, const ApiKey* key, SteadyTime now);
    // `done` is called once, not later than `within`, on the port's thread or at once.
    void ask(std::shared_ptr<const Snapshot> snapshot, const ApiKey* key, Duration within,
             std::function<void(LimitVerdict)> done);
    bool up() const { return port_.up(); }
    SharedLimitsStats stats() const;

  private:
    struct Asked;
    void send(const std::shared_ptr<Asked>& asked, bool with_text);
    void take_reply(const std::shared_ptr<Asked>& asked, Result<redis::Reply> reply, bool with_text);
    LimitVerdict allow(const LimitSteps& whole, const Snapshot& snapshot, const ApiKey* key, SteadyTime now);
    RedisPort& port_;
    Limiter& limiter_;
    std::atomic<std::uint64_t> asked_{0}, fallbacks_{0};
};

// The script, for tests. KEYS: a limit each. ARGV: for each interval in µs, burst, tokens wanted. Answer: {0,
// granted…}, or {index of the limit that refuses, µs to wait}.
std::string_view limit_script();

} // namespace conduit::agent
