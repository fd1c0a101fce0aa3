// SPDX-License-Identifier: Apache-2.0
// Figures of the last seconds, made from the one-second buckets. Internal to this folder.
#pragma once

#include "agent/admin/call.hpp"

#include <array>
#include <vector>

namespace conduit::agent {

struct Window {
    struct Provider {
        std::uint64_t requests = 0, errors = 0;
        std::array<std::uint32_t, 24> latency{};
    };
    std::uint64_t requests = 0, errors = 0, retries = 0, limited = 0, cache_hits = 0, cache_lookups = 0;
    std::array<std::uint32_t, 24> latency{};
    std::array<Provider, k_max_providers> providers{};
    std::vector<SummaryBucket> buckets;

    double share(std::size_t provider) const; // of what was sent to providers
};
Window read_window(const AdminServices& services, unsigned seconds);

// Null unless Redis is configured.
Json redis_json(const AdminServices& services, const Snapshot& snapshot);
Json ratio_json(std::uint64_t part, std::uint64_t whole); // null when there is nothing to divide
Json latency_json(const std::array<std::uint32_t, 24>& counts, double quantile); // milliseconds or null
Json summary_json(const AdminServices& services, const Snapshot& snapshot, unsigned seconds);
Json records_json(const Records::Stats& stats);

Json provider_item(const AdminServices& services, const Snapshot& snapshot, std::size_t index,
                   const Window& window, const std::vector<PoolStats>& pools);
Json circuit_json(const AdminServices& services, const std::string& provider);
// healthy, degraded, unhealthy, disabled
std::string_view provider_status(const AdminServices& services, const ProviderConfig& provider);

} // namespace conduit::agent
