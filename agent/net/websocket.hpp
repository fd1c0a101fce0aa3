// SPDX-License-Identifier: Apache-2.0
// RFC 6455 frames, enough to relay them and to speak as a client. Both directions go through FrameReader, so
// a hostile peer is stopped here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace conduit::agent {

enum class WsOpcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

struct WsFrameHead {
    bool fin = true;
    WsOpcode opcode = WsOpcode::text;
    bool masked = false;
    std::uint8_t mask[4] = {};
    std::uint64_t length = 0;
    bool control() const { return static_cast<std::uint8_t>(opcode) >= 8; }
};

// Watches the order of frames too. Bytes in, heads out; the payload is the caller's.
class WsFrameReader {
  public:
    explicit WsFrameReader(bool expect_masked) : expect_masked_(expect_masked) {}
    // Head bytes used: 0 when more are needed; nothing when the peer broke the protocol (close with 1002).
    std::optional<std::size_t> read(std::string_view bytes, WsFrameHead& head);

  private:
    bool expect_masked_;
    bool in_message_ = false;
};

void ws_mask(char* data, std::size_t size, const std::uint8_t mask[4], std::uint64_t offset = 0);
// A frame head; masked when `mask` is given.
std::string ws_head(WsOpcode opcode, bool fin, std::uint64_t length, const std::uint8_t* mask);
std::string ws_frame(WsOpcode opcode, std::string_view payload, bool masked, bool fin = true);
std::string ws_close(std::uint16_t code, std::string_view reason, bool masked);

struct WsCloseReason {
    std::uint16_t code = 1005; // none was given
    std::string reason;
};
std::optional<WsCloseReason> ws_parse_close(std::string_view payload); // nothing: protocol error

std::string ws_accept(std::string_view key); // Sec-WebSocket-Accept
std::string ws_new_key();

} // namespace conduit::agent
