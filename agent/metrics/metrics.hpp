// SPDX-License-Identifier: Apache-2.0
// Counters and histograms: one shard a worker thread, merged when scraped. Label sets are bounded: voices,
// languages and models that are not configured become "other".
#pragma once

#include "agent/control/snapshot.hpp"
#include "agent/records/record.hpp"
#include "agent/redis/state.hpp"

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::agent {

struct PoolStats { // of one provider endpoint, summed over threads
    std::string provider;
    std::uint64_t open = 0, idle = 0, in_use = 0, waiting = 0, draining = 0, draining_realtime = 0;
    std::uint64_t created = 0, reused = 0, failed = 0, closed = 0;
    std::uint64_t limit = 0;
    std::uint64_t oldest_age_ms = 0;
    std::uint64_t exhausted = 0; // how often a request found no free connection
};

struct SafetySample {
    std::string check_type, result, age_group; // result: allowed, blocked
    std::string violation_type, severity, action;
};

// Gauges that other parts own, read at scrape time.
struct GaugeSource {
    virtual ~GaugeSource() = default;
    virtual std::vector<PoolStats> pools() const = 0;
    virtual std::uint64_t cache_bytes() const = 0;
    virtual std::uint64_t cache_entries() const = 0;
    virtual std::uint64_t connections() const = 0; // of clients
    virtual std::uint64_t realtime_sessions() const = 0;
    virtual Records::Stats records() const = 0;
    virtual RedisState redis() const { return {}; } // of an agent that shares nothing
};

struct SummaryBucket { // one second
    std::int64_t second = 0;
    std::uint32_t requests = 0, errors = 0, retries = 0, limited = 0, cache_hits = 0, cache_lookups = 0;
    std::array<std::uint32_t, 24> latency{}; // counts by bucket of latency_bounds_ms()
    struct Provider {
        std::uint32_t requests = 0, errors = 0;
        std::array<std::uint32_t, 24> latency{};
    };
    std::array<Provider, k_max_providers> providers{};
};
std::span<const double> latency_bounds_ms(); // 23 bounds; the 24th bucket is +Inf

class Metrics {
  public:
    explicit Metrics(unsigned workers);
    ~Metrics();
    // Worker threads; worker < workers, each used by one thread only. record.time: when it ended. Uses the
    // provider's index in the snapshot for the summary.
    void record(unsigned worker, const RequestRecord& record, std::size_t provider_index);
    void attempt_failed(unsigned worker, const std::string& provider, Outcome outcome);
    void limited(unsigned worker, LimitReason reason);
    void safety(unsigned worker, const SafetySample& sample);
    void validation(unsigned worker, std::string_view format, std::string_view result,
                    std::string_view error);
    // Any thread.
    std::string scrape(const Snapshot& snapshot, HealthBoard& health, const GaugeSource& gauges) const;
    // The last `seconds` (at most 300) complete seconds, merged over the shards, oldest first.
    std::vector<SummaryBucket> summary(unsigned seconds, WallTime now) const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace conduit::agent
