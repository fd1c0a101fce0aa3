// SPDX-License-Identifier: Apache-2.0
// What one thread owns, and what all threads share.
#pragma once

#include "agent/cache/cache.hpp"
#include "agent/control/snapshot.hpp"
#include "agent/health/health.hpp"
#include "agent/limits/limiter.hpp"
#include "agent/metrics/metrics.hpp"
#include "agent/pool/pool.hpp"
#include "agent/records/record.hpp"
#include "agent/router/chooser.hpp"
#include "agent/safety/safety.hpp"
#include "agent/server/log.hpp"
#include "core/ulid.hpp"

#include <array>
#include <atomic>
#include <memory>

namespace conduit::agent {

class AdminApi;
struct FleetParts;

struct Shared { // by all workers; every member is safe to use from any thread
    Limiter& limiter;
    HealthBoard& health;
    Cache& cache;
    SingleFlight& flights;
    Metrics& metrics;
    Records& records;
    RetryBudget& retries;
    PoolBoard& pools;
    Log& log;
    const Clock& clock;
    FleetParts* fleet = nullptr;                // null: nothing is shared with other agents
    std::atomic<std::uint64_t> replay_bytes{0}; // bodies kept for another attempt, all threads together
    std::atomic<bool> draining{false};
    std::atomic<bool> patient{false};                       // a drain that lets silent sessions be
    std::atomic<SteadyTime> drain_until{SteadyTime::max()}; // when realtime sessions have to go
    std::atomic<bool> ready{false};
};

class ClientSession;

struct Worker {
    Worker(unsigned index, Shared& shared_parts)
        : loop(index), pool(loop, shared_parts.pools), shared(shared_parts)
    {
    }
    void adopt(std::shared_ptr<const Snapshot> next, std::shared_ptr<const SafetyRules> next_rules);
    unsigned index() const { return loop.index(); }

    Loop loop;
    Pool pool;
    Chooser chooser;
    UlidSource ids;
    Shared& shared;
    std::shared_ptr<const Snapshot> snapshot;
    std::shared_ptr<const SafetyRules> rules;
    std::array<ProviderHealth*, k_max_providers> health{}; // health[i] belongs to snapshot's providers[i]
    std::vector<ClientSession*> sessions;
    std::atomic<std::uint32_t> connections{0}, in_flight{0}, realtime{0};
};

} // namespace conduit::agent
