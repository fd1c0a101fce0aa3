// SPDX-License-Identifier: Apache-2.0
// What is said over a socket that is open. Internal to core/kube.
#pragma once

#include "core/kube/streams.hpp"
#include "core/kube/web_socket.hpp"

namespace conduit::kube {

Result<RemoteEnd> run_exec(WebSocket& socket, const RemoteIo& io, bool tty, const Cancel& cancel,
                           Deadline deadline);

// local: a connected socket; the session owns both.
std::unique_ptr<PortStream> run_port(std::unique_ptr<WebSocket> socket, std::uint16_t port, UniqueFd local,
                                     const Cancel& cancel);

} // namespace conduit::kube
