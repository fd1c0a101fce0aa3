// SPDX-License-Identifier: Apache-2.0
// Local instances are processes of this machine: their ports are ports here.
#pragma once

#include "cli/orchestrator/orchestrator.hpp"
#include "cli/orchestrator/streams.hpp"

#include <memory>

namespace conduit::local {

std::unique_ptr<InstanceStreams> make_instance_streams(Orchestrator& orchestrator); // which must outlive it

// Joins `local` with a port of this machine.
Result<std::unique_ptr<PortStream>> join_port(std::uint16_t port, UniqueFd local);

} // namespace conduit::local
