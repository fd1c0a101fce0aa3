// SPDX-License-Identifier: Apache-2.0
// A Unix socket of this user alone that leads to a port inside of a cluster: for libraries that know no
// WebSockets, without an open TCP port.
#pragma once

#include "cli/orchestrator/port_relay.hpp"

#include <memory>
#include <mutex>
#include <optional>

namespace conduit {

class Tunnel {
  public:
    // open: see open_port_of. The socket (0600, in a folder of its own, 0700) is there until destruction.
    static Result<std::unique_ptr<Tunnel>> open(OpenPort open);

    const fs::path& socket() const { return socket_; }
    // Why the last connection that failed did: a client only sees it end.
    std::optional<Error> fault() const;

  private:
    Tunnel(TempDir folder, fs::path socket) : folder_(std::move(folder)), socket_(std::move(socket)) {}
    TempDir folder_;
    const fs::path socket_;
    mutable std::mutex mutex_;
    std::optional<Error> fault_;
    std::unique_ptr<PortRelay> relay_; // the last: it uses all others
};

} // namespace conduit
