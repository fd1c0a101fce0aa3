// SPDX-License-Identifier: Apache-2.0
// What exec and cp share: a change that is done once inside of an instance.
#pragma once

#include "cli/app/app.hpp"
#include "cli/ops/change_options.hpp"
#include "cli/orchestrator/streams.hpp"
#include "cli/targets/once.hpp"

namespace conduit::commands {

struct OnceChange {
    std::string verb;     // "exec"
    std::string instance; // what it is confirmed with
    std::string summary;  // "run `ls` in agent-1"
    std::string shown;    // of the step
    JsonBox arguments;    // recorded: no secret
    bool verifiable = false;
    bool moderate = false;
    bool speaks = true; // false: the terminal is the remote program's
};
Result<Report> change_once(App& app, const OnceChange& change, ops::OnceTarget::Act act,
                           ops::ChangeOptions options);

} // namespace conduit::commands
