// SPDX-License-Identifier: Apache-2.0
// Listening sockets the supervisor owns, and the Unix socket it is spoken to through.
#pragma once

#include "core/clock.hpp"
#include "core/fs.hpp"
#include "core/result.hpp"

#include <cstdint>
#include <string>

namespace conduit::local {

struct Listener {
    UniqueFd fd;
    std::uint16_t port = 0;
    std::string url() const; // "http://127.0.0.1:PORT"
};

// On 127.0.0.1. Port 0: any free one. failed when it is taken.
Result<Listener> listen_loopback(std::uint16_t port);
// Listening again after a process that shared the socket has shut it down; harmless otherwise.
void listen_again(const Listener& listener);

Result<UniqueFd> listen_unix(const fs::path& path); // 0600; replaces what lies there
// unreachable when nobody answers.
Result<UniqueFd> connect_unix(const fs::path& path);
bool peer_is_me(int fd);

} // namespace conduit::local
