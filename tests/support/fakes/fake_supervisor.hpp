// SPDX-License-Identifier: Apache-2.0
// A supervisor's socket of which a test says what it answers; "" is never.
#pragma once

#include "cli/orchestrator/local/layout.hpp"
#include "cli/orchestrator/local/sockets.hpp"

#include <atomic>
#include <functional>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <vector>

namespace conduit::test {

class FakeSupervisor {
  public:
    using Answer = std::function<std::string(const std::string& request)>; // a line of JSON
    FakeSupervisor(const local::Layout& layout, Answer answer)
        : listener_(local::listen_unix(layout.socket()).value()), answer_(std::move(answer)),
          thread_([this] { run(); })
    {
    }
    ~FakeSupervisor()
    {
        stopping_ = true;
        thread_.join();
    }
    FakeSupervisor(const FakeSupervisor&) = delete;

  private:
    void run()
    {
        std::vector<UniqueFd> kept; // a client that gets no answer waits for one
        while (!stopping_) {
            pollfd ready{listener_.get(), POLLIN, 0};
            if (::poll(&ready, 1, 20) <= 0)
                continue;
            UniqueFd client(::accept(listener_.get(), nullptr, nullptr));
            char buffer[4096];
            const auto n = ::recv(client.get(), buffer, sizeof buffer, 0);
            const auto text = answer_(std::string(buffer, n > 0 ? static_cast<std::size_t>(n) : 0));
            if (!text.empty())
                (void)!::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL);
            else
                kept.push_back(std::move(client));
        }
    }
    UniqueFd listener_;
    Answer answer_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

} // namespace conduit::test
