// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"

namespace conduit::commands {

Registry all()
{
    using Make = Noun (*)();
    // The order of --help inside a group.
    constexpr Make nouns[] = {
        context,   local,    doctor,     version, ps,    logs,      exec,      cp,     forward,
        top,       events,   describe,   restart, scale, autoscale, resources, deploy, rollout,
        canary,    provider, circuit,    cache,   pool,  limit,     usage,     safety, health,
        metrics,   config,   blocklist,  secret,  net,   history,   undo,      resume, lock,
        reversals, commands, completion, docs,    help,
    };
    Registry registry;
    registry.reserve(std::size(nouns));
    for (const Make make : nouns)
        registry.push_back(make());
    return registry;
}

} // namespace conduit::commands
