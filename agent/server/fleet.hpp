// SPDX-License-Identifier: Apache-2.0
// What the agents of one deployment share through Redis.
#pragma once

#include "agent/cache/shared_cache.hpp"
#include "agent/limits/shared_limits.hpp"
#include "agent/redis/links.hpp"

namespace conduit::agent {

struct FleetParts {
    FleetParts(Limiter& limiter, const Clock& clock)
        : cache({links.reads, links.writes, clock}), limits(links.limits, limiter)
    {
    }
    RedisLinks links;
    SharedCache cache;
    SharedLimits limits;
};

} // namespace conduit::agent
