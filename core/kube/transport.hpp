// SPDX-License-Identifier: Apache-2.0
// Requests to one API server over connections that are kept. TLS with the kubeconfig's authority and our
// certificate; the identity goes with every request, and a 401 asks for a fresh one, once.
#pragma once

#include "core/cancel.hpp"
#include "core/kube/credentials.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace conduit::kube {

struct Call {
    std::string method = "GET";
    std::string path; // "/api/v1/pods?limit=500"
    std::string body;
    std::string content_type = "application/json";
    std::string accept = "application/json";
    std::vector<std::pair<std::string, std::string>> headers; // besides these and the identity
    bool finish = false;          // a stop that is asked for meanwhile does not cut it off: a write in flight
    const Cancel* stop = nullptr; // ends this call alone
    std::function<void()> on_sent; // once an answer begins or the connection ended after sending
};

struct Answer {
    int status = 0;
    std::vector<std::pair<std::string, std::string>> headers; // names in lower case
    std::string body;
    bool whole = true;                               // false: the body of a stream broke off
    std::string header(std::string_view name) const; // "" when absent
};

using OnPiece = std::function<bool(std::string_view piece)>; // false ends it, well

class Transport { // thread-safe: each call in flight has a connection of its own
  public:
    virtual ~Transport() = default;
    // unreachable: nothing was sent (refused, no route, TLS). unknown: it was sent, and no whole answer came.
    virtual Result<Answer> send(const Call& call, Deadline deadline) = 0;
    // The body of an answer below 300 goes to `piece` as it comes; any other answer is returned whole. The
    // end of the body, of time, and a stop by `piece` all return the answer's head; `whole` tells a good end.
    virtual Result<Answer> stream(const Call& call, const OnPiece& piece, Deadline deadline) = 0;
    virtual std::string server() const = 0; // for messages
};

// The program must ignore SIGPIPE: TLS writes to a connection that has gone raise it.
std::unique_ptr<Transport> make_transport(const Access& access, std::unique_ptr<Credentials> credentials,
                                          const Cancel* cancel = nullptr);

} // namespace conduit::kube
