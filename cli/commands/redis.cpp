// SPDX-License-Identifier: Apache-2.0
// `redis`: the server behind the cache, and behind whatever else lives in it.
#include "cli/commands/redis.hpp"

#include "cli/commands/all.hpp"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

namespace conduit::commands {

Json optional_number(const std::optional<double>& value)
{
    return value ? Json(*value) : Json();
}

Noun redis()
{
    Noun noun{.name = "redis",
              .summary = "The Redis of a context: its state, and its changes",
              .group = Group::stores};
    for (auto* verbs : {&redis_look_verbs, &redis_inside_verbs}) {
        auto some = verbs();
        std::ranges::move(some, std::back_inserter(noun.verbs));
    }
    return noun;
}

} // namespace conduit::commands
