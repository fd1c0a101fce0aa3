// SPDX-License-Identifier: Apache-2.0
// Internal to sim/server: writing an HTTP answer, paced and cut as the fault says.
#pragma once

#include "sim/server/session.hpp"

namespace conduit::sim {

struct WriteOptions {
    const Fault* fault = nullptr;
    bool keep_alive = true;
    bool http11 = true; // a client of HTTP/1.0 gets no chunks
};

struct Written {
    std::uint64_t bytes = 0;
    bool complete = false;
};

Task<Written> write_response(Socket& socket, const WireResponse& response, WriteOptions options);

} // namespace conduit::sim
