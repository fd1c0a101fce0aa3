// SPDX-License-Identifier: Apache-2.0
// Real servers, by core/redis: TLS makes it a part of the shared module.
#pragma once

#include "cli/backend/redis.hpp"
#include "core/cancel.hpp"

namespace conduit {

std::unique_ptr<RedisServers> make_redis_servers(RedisAccess access, const Cancel* cancel);

} // namespace conduit
