// SPDX-License-Identifier: Apache-2.0
// One WebSocket to an API server and its loop, which turns in the thread that calls run(). Internal to
// core/kube.
#pragma once

#include "core/cancel.hpp"
#include "core/clock.hpp"
#include "core/kube/credentials.hpp"
#include "core/kube/transport.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::kube {

struct SocketEvents {
    std::function<void(std::string_view message)> message;
    std::function<void()> drained; // all that was given to send() has left
    std::function<void()> tick;    // some twenty times a second
};

class WebSocket {
  public:
    virtual ~WebSocket() = default;
    virtual const std::string& protocol() const = 0; // the server's choice
    virtual const std::string& server() const = 0;   // for messages

    // Only inside of the loop, or before it turns:
    virtual void send(std::string message) = 0;
    virtual std::size_t queued() const = 0; // bytes given to send() that have not left
    virtual void pause(bool paused) = 0;    // messages are left in the network meanwhile
    virtual void when_readable(int socket, std::function<void()> then) = 0; // once
    virtual void when_writable(int socket, std::function<void()> then) = 0; // once
    virtual void stop() = 0;                                                // says goodbye; run() returns

    virtual void post(std::function<void()> task) = 0; // from any thread, into the loop
    // Until either side closes it. unknown: it broke, or the server no longer answers.
    virtual Result<> run(SocketEvents events) = 0;
};

struct Upgrade {
    std::string path;                   // with its query
    std::vector<std::string> protocols; // the dearest first
};

// Either a socket, or the answer of a server that did not want to upgrade.
struct Opened {
    std::unique_ptr<WebSocket> socket;
    Answer refusal;
};

// unreachable: nothing was sent. unknown: the request was sent and not answered.
Result<Opened> open_web_socket(const Access& access, const Identity& identity, const Upgrade& upgrade,
                               const Cancel& cancel, Deadline deadline);

} // namespace conduit::kube
