// SPDX-License-Identifier: Apache-2.0
// Into a pod through the API server: commands and ports, each over a WebSocket of its own.
#pragma once

#include "core/cancel.hpp"
#include "core/clock.hpp"
#include "core/fs.hpp"
#include "core/kube/credentials.hpp"
#include "core/port_stream.hpp"
#include "core/remote_io.hpp"

#include <memory>
#include <string>
#include <vector>

namespace conduit::kube {

struct ExecCall {
    std::string name_space;
    std::string pod;
    std::string container;
    std::vector<std::string> command;
    bool tty = false; // out and err come as one
};

struct PortCall {
    std::string name_space;
    std::string pod;
    std::uint16_t port = 0;
};

// Before the server agreed: as Api (auth, not_found, unreachable, ...); unknown when it is not known whether
// it did.
class Streams { // thread-safe
  public:
    virtual ~Streams() = default;
    // Waits for the command's end. failed: it could not be started. unknown: the connection ended before the
    // command did, or the deadline passed. interrupted: by cancel, or nobody reads any more; the command may
    // go on.
    virtual Result<RemoteEnd> exec(const ExecCall& call, const RemoteIo& io, const Cancel& cancel,
                                   Deadline deadline) = 0;
    // Joins `local`, a connected socket, with the pod's port. deadline: for the server's agreement.
    virtual Result<std::unique_ptr<PortStream>> open_port(const PortCall& call, UniqueFd local,
                                                          const Cancel& cancel, Deadline deadline) = 0;
};

std::unique_ptr<Streams> make_streams(const Access& access, std::unique_ptr<Credentials> credentials);

} // namespace conduit::kube
