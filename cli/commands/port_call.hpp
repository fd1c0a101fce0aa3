// SPDX-License-Identifier: Apache-2.0
// One plain GET to a port of an instance, whoever listens there.
#pragma once

#include "cli/orchestrator/streams.hpp"

#include <cstdint>
#include <string>

namespace conduit::commands {

struct PortCall {
    std::string instance;
    std::uint16_t port = 0;
    std::string path = "/";
};

// The body of a 200; at most 16 MiB. unreachable: nothing was answered; failed: another status.
Result<std::string> get_over_port(InstanceStreams& streams, const PortCall& call, const Cancel& cancel,
                                  Deadline deadline);

} // namespace conduit::commands
