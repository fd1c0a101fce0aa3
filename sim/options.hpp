// SPDX-License-Identifier: Apache-2.0
// The command line, the configuration file and the inherited sockets of conduit-sim.
#pragma once

#include "core/result.hpp"
#include "sim/server/server.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace conduit::sim {

struct SimCommand {
    SimOptions options;
    std::string ready_file;
    std::string text; // --help, --version: to be printed instead of serving
};

using GetEnv = std::function<std::optional<std::string>(const char*)>;
Result<SimCommand> parse_sim_command(const std::vector<std::string>& arguments, const GetEnv& get_env);

} // namespace conduit::sim
