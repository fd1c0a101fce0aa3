// SPDX-License-Identifier: Apache-2.0
// The verbs of `redis`, by the file that has them. Internal to this folder.
#pragma once

#include "cli/app/app.hpp"
#include "cli/backend/redis.hpp"
#include "cli/redis/reach.hpp"

namespace conduit::ops {
class RedisTarget;
}

namespace conduit::commands {

std::vector<Verb> redis_look_verbs();    // ping, info
std::vector<Verb> redis_inside_verbs();  // memory, latency, clients, config get, keys
std::vector<Verb> redis_cluster_verbs(); // cluster status, check, failover, rejoin
std::vector<Verb> redis_change_verbs();  // save, failover, config set

Result<ops::RedisTarget*> redis_target(Operations& operations);
Json optional_number(const std::optional<double>& value); // null for nothing

} // namespace conduit::commands
