// SPDX-License-Identifier: Apache-2.0
// Redis' protocol (RESP2) without sockets: commands as bytes, and bytes as replies. What a server sends is
// not trusted: its sizes, counts and nesting have limits, and memory grows with bytes that came, never with a
// promise.
#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::redis {

struct Reply {
    enum class Type : std::uint8_t { nil, text, integer, array, error };
    Type type = Type::nil;
    std::string text; // of a status, a string (any bytes), and an error: "READONLY You can't write …"
    std::int64_t integer = 0;
    std::vector<Reply> items;

    bool is_nil() const { return type == Type::nil; }
    bool is_text() const { return type == Type::text; }
    bool is_integer() const { return type == Type::integer; }
    bool is_array() const { return type == Type::array; }
    bool is_error() const { return type == Type::error; }
    std::string_view error_code() const; // "READONLY"; "" when it is none
};

struct ReplyLimits {
    std::size_t max_string = 64U << 20U;
    std::size_t max_line = 16U << 10U; // of statuses, errors and numbers
    std::size_t max_items = 1U << 20U; // of one reply, all levels together
    std::size_t max_bytes = 128U << 20U;
    std::size_t max_depth = 8;
};

// Replies in the order of their commands. After a failure the stream has no meaning any more.
class ReplyReader {
  public:
    explicit ReplyReader(ReplyLimits limits = {}) : limits_(limits) {}
    void feed(std::string_view bytes) { buffer_.append(bytes); }
    // The next whole one; nullopt: more bytes are needed. failed: not RESP, or beyond a limit.
    Result<std::optional<Reply>> next();
    bool begun() const { return at_ < buffer_.size() || !open_.empty(); } // in the middle of a reply

  private:
    struct Open {
        Reply reply;
        std::size_t missing = 0;
    };
    struct Step {
        bool whole = false; // false: bytes are missing
        Reply reply;
        std::size_t children = 0; // that follow it
    };
    Result<Step> step();
    Result<Step> read_string(std::int64_t size, std::size_t body);
    Result<std::optional<std::string_view>> line();
    void compact();

    ReplyLimits limits_;
    std::string buffer_;
    std::size_t at_ = 0;      // read so far
    std::size_t scanned_ = 0; // no end of line before this
    std::vector<Open> open_;
    std::size_t items_ = 0, bytes_ = 0; // of the reply in progress
};

// "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
std::string command(std::initializer_list<std::string_view> words);
std::string command(std::span<const std::string> words);
void append_command(std::string& out, std::span<const std::string_view> words);

std::string script_digest(std::string_view script); // as EVALSHA names it

// A literal text as a pattern of SCAN MATCH: what has a meaning there is escaped.
std::string match_literal(std::string_view text);

// The error of a reply as ours: NOAUTH and the like are auth, the rest failed. `what` begins the message.
Error reply_error(const Reply& reply, std::string_view what);

} // namespace conduit::redis
