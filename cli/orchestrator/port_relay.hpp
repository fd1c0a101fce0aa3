// SPDX-License-Identifier: Apache-2.0
// A listening socket here whose connections go to a port of an instance.
#pragma once

#include "cli/orchestrator/streams.hpp"

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace conduit {

using OpenPort = std::function<Result<std::unique_ptr<PortStream>>(UniqueFd local)>; // any thread

// Of an instance, or of a workload: then each connection goes to the one before as long as that is ready,
// else to another ready one. chosen: told the name of each new one, from any thread.
OpenPort open_port_of(InstanceStreams& streams, std::string name, std::uint16_t port, const Cancel& cancel,
                      std::function<void(const std::string& instance)> chosen = {});

struct Listener {
    UniqueFd fd;
    std::uint16_t port = 0;
};
Result<Listener> listen_loopback(std::uint16_t port);    // 127.0.0.1; 0: one that is free
Result<UniqueFd> listen_private(const fs::path& socket); // a Unix socket, mode 0600

class PortRelay {
  public:
    // fault: of a connection, from any thread; the relay goes on.
    PortRelay(UniqueFd listener, OpenPort open, std::function<void(const Error&)> fault = {});
    PortRelay(const PortRelay&) = delete;
    PortRelay& operator=(const PortRelay&) = delete;
    ~PortRelay();                                      // ends all connections
    std::size_t connections() const { return total_; } // so far

  private:
    struct Connection {
        std::atomic<bool> done{false};
        std::jthread thread;
    };
    void accept_all(const std::stop_token& stop);
    void serve(UniqueFd client, const std::stop_token& stop);
    void reap();

    UniqueFd listener_;
    const OpenPort open_;
    const std::function<void(const Error&)> fault_;
    std::atomic<std::size_t> total_{0};
    std::list<Connection> connections_;
    std::jthread accepting_;
};

} // namespace conduit
