// SPDX-License-Identifier: Apache-2.0
#include "agent/server/worker.hpp"

namespace conduit::agent {

void Worker::adopt(std::shared_ptr<const Snapshot> next, std::shared_ptr<const SafetyRules> next_rules)
{
    snapshot = std::move(next);
    rules = std::move(next_rules);
    health.fill(nullptr);
    const auto& providers = snapshot->config.providers;
    for (std::size_t i = 0; i < providers.size() && i < health.size(); ++i)
        health[i] = &shared.health.of(providers[i].name);
    pool.configure(snapshot->config.pool, snapshot->pool_reset_epoch);
}

} // namespace conduit::agent
