// SPDX-License-Identifier: Apache-2.0
// Internal to sim/server: listening sockets that can refuse connections for a while and come back on their
// port.
#pragma once

#include "core/fs.hpp"
#include "sim/server/server.hpp"

#include <cstdint>
#include <string>
#include <sys/socket.h>

namespace conduit::sim {

class ListenSocket {
  public:
    static Result<ListenSocket> open(const ListenSpec& spec);
    int fd() const { return fd_.get(); }
    std::string url() const; // "http://127.0.0.1:PORT"
    // Stops listening but keeps the port: connections are refused, in every process that shares the socket.
    Result<> refuse();
    Result<> listen_again();

  private:
    UniqueFd fd_;
    sockaddr_storage address_{};
    socklen_t length_ = 0;
};

} // namespace conduit::sim
