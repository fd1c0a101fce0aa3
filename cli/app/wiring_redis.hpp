// SPDX-License-Identifier: Apache-2.0
// The Redis of a context, by its configuration.
#pragma once

#include "cli/app/wiring_cluster.hpp"
#include "cli/backend/redis.hpp"
#include "cli/ops/target.hpp"

namespace conduit {

// usage: the context names no Redis.
Result<std::unique_ptr<RedisServers>> make_context_redis(App& app,
                                                         const std::shared_ptr<ClusterConnection>& cluster);
Result<std::unique_ptr<ops::Target>> make_redis_target(App& app);

} // namespace conduit
