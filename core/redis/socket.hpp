// SPDX-License-Identifier: Apache-2.0
// Only for connection.cpp and tls.cpp.
#pragma once

#include "core/redis/connection.hpp"

#include <memory>

struct ssl_st;     // OpenSSL's SSL
struct ssl_ctx_st; // and SSL_CTX

namespace conduit::redis {

struct Connection::Socket {
    UniqueFd fd;
    std::shared_ptr<ssl_ctx_st> context;
    std::shared_ptr<ssl_st> ssl; // null: plain
    bool wants_write = false;    // TLS must write before it can go on
};

// Of a non-blocking step: how many bytes, or that the socket must be waited for, or that it ended.
struct Moved {
    enum class State : std::uint8_t { ok, wait, ended, failed };
    State state = State::ok;
    std::size_t bytes = 0;
    std::string reason;
};

Result<> start_tls(Connection::Socket& socket, const Tls& tls, const std::string& host);
Result<bool> tls_handshake(Connection::Socket& socket, const std::string& where); // true: done
Moved tls_send(Connection::Socket& socket, std::string_view bytes);
Moved tls_receive(Connection::Socket& socket, std::span<char> into);
bool tls_has_pending(const Connection::Socket& socket);

} // namespace conduit::redis
