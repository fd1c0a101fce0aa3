// SPDX-License-Identifier: Apache-2.0
// The channels of exec and port-forward over a WebSocket, as bytes: each message begins with its channel's
// number. Pure; what the server sends is not trusted.
#pragma once

#include "core/kube/streams.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace conduit::kube {

inline constexpr std::string_view k_protocol_v5 = "v5.channel.k8s.io"; // v4, and stdin can be ended
inline constexpr std::string_view k_protocol_v4 = "v4.channel.k8s.io";

enum class ExecChannel : std::uint8_t { in = 0, out = 1, err = 2, status = 3, resize = 4, close = 255 };

std::string channel_frame(ExecChannel channel, std::string_view bytes);
std::string resize_frame(TerminalSize size);
std::string close_frame(ExecChannel channel); // v5 only

struct ExecFrame {
    ExecChannel channel = ExecChannel::out;
    std::string_view bytes;
};
// nullopt: an empty message, which says nothing. unknown for a channel that a server does not send on.
Result<std::optional<ExecFrame>> parse_exec_frame(std::string_view message);

// What the status channel said when the command ended. failed: it could not be started, in the server's
// words; unknown for what is no Status.
Result<RemoteEnd> parse_exec_status(std::string_view document);

// The two channels of one port: data and error, each beginning with the port's number.
class PortFrames {
  public:
    explicit PortFrames(std::uint16_t port) : port_(port) {}
    // The data of a message; what came on the error channel is kept. unknown for what breaks the protocol.
    Result<std::string_view> feed(std::string_view message);
    const std::string& error() const { return error_; } // printable; "" when there is none

  private:
    struct Head {
        std::string bytes; // of the port's number
    };
    Result<std::string_view> behind_port(Head& head, std::string_view bytes) const;
    std::uint16_t port_;
    Head data_, errors_;
    std::string error_;
};
std::string port_frame(std::string_view bytes); // data to the port

// Paths with their query.
std::string exec_path(const ExecCall& call, bool in, bool err);
std::string port_path(const PortCall& call);

} // namespace conduit::kube
