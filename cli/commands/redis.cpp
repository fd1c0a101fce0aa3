// SPDX-License-Identifier: Apache-2.0
// `redis`: the server behind the cache, and behind whatever else lives in it.
#include "cli/commands/redis.hpp"

#include "cli/app/operations.hpp"
#include "cli/commands/all.hpp"
#include "cli/targets/redis.hpp"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

namespace conduit::commands {

Json optional_number(const std::optional<double>& value)
{
    return value ? Json(*value) : Json();
}

Result<ops::RedisTarget*> redis_target(Operations& operations)
{
    TRY_ASSIGN(ops::Target * found, operations.target("redis"));
    if (auto* target = dynamic_cast<ops::RedisTarget*>(found))
        return target;
    return fail(ErrorKind::internal, "the context has no target of Redis");
}

Noun redis()
{
    Noun noun{.name = "redis",
              .summary = "The Redis of a context: its state, and its changes",
              .group = Group::stores};
    for (auto* verbs : {&redis_look_verbs, &redis_inside_verbs, &redis_cluster_verbs, &redis_change_verbs}) {
        auto some = verbs();
        std::ranges::move(some, std::back_inserter(noun.verbs));
    }
    return noun;
}

} // namespace conduit::commands
