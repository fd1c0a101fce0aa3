// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"

namespace conduit::commands {

Registry all()
{
    using Make = Noun (*)();
    // The order of --help inside a group.
    constexpr Make nouns[] = {
        context,       local,   doctor,    version,   ps,       logs,       exec,          cp,
        dump,          forward, top,       events,    describe, restart,    stop_workload, start_workload,
        wait_workload, scale,   autoscale, resources, deploy,   rollout,    canary,        provider,
        circuit,       cache,   pool,      limit,     usage,    safety,     redis,         volume,
        health,        metrics, config,    blocklist, secret,   cert,       net,           history,
        undo,          resume,  lock,      reversals, commands, completion, docs,          help,
    };
    Registry registry;
    registry.reserve(std::size(nouns));
    for (const Make make : nouns)
        registry.push_back(make());
    return registry;
}

} // namespace conduit::commands
