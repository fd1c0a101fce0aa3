// SPDX-License-Identifier: Apache-2.0
// A blocking WebSocket client for tests.
#pragma once

#include "core/http.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace conduit::sim {

class WebSocketClient {
  public:
    // url: "http://host:port/path?query". status() tells whether the server agreed (101).
    WebSocketClient(std::string_view url, const HeaderList& headers);
    ~WebSocketClient();
    int status() const;
    std::string header(std::string_view name) const; // of the handshake's answer
    std::string body() const;                        // of a refusal
    void send(std::string_view message, bool binary = false);
    std::optional<std::string> read(); // nullopt: closed, see close_code()
    int close_code() const;            // 0: broken without a close frame
    std::string close_reason() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace conduit::sim
