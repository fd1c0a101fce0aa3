// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"

namespace conduit::commands {

Registry all()
{
    // The order of --help inside a group.
    static constexpr Registry::Maker k_nouns[] = {
        {"context", context},
        {"local", local},
        {"doctor", doctor},
        {"version", version},
        {"ps", ps},
        {"logs", logs},
        {"exec", exec},
        {"cp", cp},
        {"dump", dump},
        {"forward", forward},
        {"top", top},
        {"events", events},
        {"describe", describe},
        {"restart", restart},
        {"stop", stop_workload},
        {"start", start_workload},
        {"wait", wait_workload},
        {"scale", scale},
        {"autoscale", autoscale},
        {"resources", resources},
        {"deploy", deploy},
        {"rollout", rollout},
        {"canary", canary},
        {"provider", provider},
        {"circuit", circuit},
        {"cache", cache},
        {"pool", pool},
        {"limit", limit},
        {"usage", usage},
        {"safety", safety},
        {"db", db},
        {"redis", redis},
        {"volume", volume},
        {"backup", backup},
        {"health", health},
        {"metrics", metrics},
        {"config", config},
        {"blocklist", blocklist},
        {"secret", secret},
        {"cert", cert},
        {"net", net},
        {"history", history},
        {"undo", undo},
        {"resume", resume},
        {"lock", lock},
        {"reversals", reversals},
        {"commands", commands},
        {"completion", completion},
        {"docs", docs},
        {"help", help},
    };
    return Registry(k_nouns);
}

} // namespace conduit::commands
