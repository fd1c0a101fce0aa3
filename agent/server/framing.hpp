// SPDX-License-Identifier: Apache-2.0
// Where a message's body ends: by length, by chunks, or with the connection.
#pragma once

#include "agent/net/http1.hpp"

namespace conduit::agent {

class BodyFraming {
  public:
    enum class Mode : std::uint8_t { none, length, chunked, until_close };
    static BodyFraming of_request(const HttpHead& head);
    static BodyFraming of_answer(const HttpHead& head, bool head_request);

    // Takes body bytes from the front; their pieces are appended as views. Consumed bytes; nothing:
    // malformed.
    std::optional<std::size_t> take(HttpParser& parser, std::string_view bytes,
                                    std::vector<std::string_view>& pieces);
    bool done() const { return done_; }
    Mode mode() const { return mode_; }
    std::uint64_t remaining() const { return remaining_; } // of Mode::length
    void skip(std::uint64_t bytes);                        // Mode::length: read elsewhere
    bool end_of_stream(); // the peer closed: true when that is the body's proper end

  private:
    Mode mode_ = Mode::none;
    std::uint64_t remaining_ = 0;
    bool done_ = true;
};

} // namespace conduit::agent
