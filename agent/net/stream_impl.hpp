// SPDX-License-Identifier: Apache-2.0
// Only for stream.cpp and tls.cpp.
#pragma once

#include "agent/net/loop_impl.hpp"
#include "agent/net/stream.hpp"

namespace conduit::agent {

struct TlsSession {
    std::shared_ptr<SSL_SESSION> last;
};

struct Stream::Impl {
    UniqueFd fd;
    std::shared_ptr<SSL> ssl; // null: plain
    std::shared_ptr<TlsSession> session;
    bool session_saved = false;
};

// One step of a TLS read; a status of ok with 0 bytes means "would block".
IoResult tls_read(Stream::Impl& impl, char* data, std::size_t size);
bool tls_has_data(Stream::Impl& impl); // decrypted bytes, the end or a fault: a read would not wait
IoResult tls_write(Stream::Impl& impl, const char* data, std::size_t size);

} // namespace conduit::agent
