// SPDX-License-Identifier: Apache-2.0
// Into the instances: a command with its input and output, and connections to ports.
#pragma once

#include "core/cancel.hpp"
#include "core/clock.hpp"
#include "core/fs.hpp"
#include "core/port_stream.hpp"
#include "core/remote_io.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conduit {

// Where a stream goes to.
struct StreamPlace {
    std::string instance;
    std::string container; // the one asked for, else the instance's default; "" where there are none
    bool ready = false;
    std::optional<Duration> patience; // so long may it not answer before it is ended for that; nullopt: ever
};

struct ExecRequest {
    std::string instance;
    std::string container;
    std::vector<std::string> command;
    bool tty = false;
};

class InstanceStreams { // thread-safe
  public:
    virtual ~InstanceStreams() = default;
    // An instance of this name, else an instance of the workload of this name: a ready one, where there is
    // one. not_found names the nearest (container too); failed when the instance does not run.
    virtual Result<StreamPlace> place(std::string_view name, std::string_view container,
                                      Deadline deadline) = 0;
    // Waits for the command's end. refused: this orchestrator has no such thing. failed: it could not be
    // started. unknown: the connection ended before it did, or the deadline passed. interrupted: by cancel,
    // or nobody reads its output any more; it may go on.
    virtual Result<RemoteEnd> exec(const ExecRequest& request, const RemoteIo& io, const Cancel& cancel,
                                   Deadline deadline) = 0;
    // Joins `local`, a connected socket, with the port; what is wrong with the port may show later
    // (PortStream::fault). deadline: for being joined.
    virtual Result<std::unique_ptr<PortStream>> open_port(const std::string& instance, std::uint16_t port,
                                                          UniqueFd local, const Cancel& cancel,
                                                          Deadline deadline) = 0;
};

} // namespace conduit
