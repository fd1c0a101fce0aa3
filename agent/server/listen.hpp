// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/fs.hpp"
#include "core/url.hpp"

#include <string>

namespace conduit::agent {

// A listening TCP socket: the inherited descriptor when there is one (>= 0), else a new one. Port 0: any.
Result<UniqueFd> listen_on(const HostPort& address, int inherited);
std::string url_of_socket(int fd, bool tls = false); // "http://127.0.0.1:8080"

} // namespace conduit::agent
