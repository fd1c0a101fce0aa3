// SPDX-License-Identifier: Apache-2.0
// Commands and ports of the pods of one namespace.
#pragma once

#include "cli/orchestrator/streams.hpp"
#include "core/kube/api.hpp"
#include "core/kube/streams.hpp"

#include <memory>
#include <string>

namespace conduit::kubernetes {

std::unique_ptr<InstanceStreams> make_instance_streams(std::shared_ptr<kube::Api> api,
                                                       std::unique_ptr<kube::Streams> streams,
                                                       std::string name_space);

// A pod, and the container of it that is meant. not_found names the nearest container; failed when it does
// not run.
Result<StreamPlace> place_of(const Json& pod, std::string_view container);
// Can the server tell a command that its input has ended? By /version's answer; unknown is no.
bool ends_input(const Json& version);
// For a server that cannot: the command behind a program that counts the input.
std::vector<std::string> counting_input(std::vector<std::string> command, std::uint64_t bytes);

} // namespace conduit::kubernetes
