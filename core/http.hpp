// SPDX-License-Identifier: Apache-2.0
// An HTTP client for rare calls (admin API, probes of the CLI). The agent's data plane has its own.
#pragma once

#include "core/cancel.hpp"
#include "core/clock.hpp"
#include "core/result.hpp"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace conduit {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
    std::string method = "GET";
    std::string url;
    HeaderList headers;
    std::string body;
    std::string unix_socket;                       // path; empty: TCP
    std::string ca_file;                           // extra trust anchor
    std::string certificate_file, key_file;        // ours, PEM, for a server that asks for one
    std::size_t max_body = 64U << 20U;             // a larger answer is an error
    std::function<bool(std::string_view)> on_data; // streaming; false stops (then the result's body is empty)
    bool finish = false; // a stop that is asked for meanwhile does not cut it off: a write in flight
    std::function<void()> on_sent; // once, when the last byte has left and no answer was read yet
};

struct HttpResponse {
    int status = 0;
    HeaderList headers; // names in lower case
    std::string body;
    std::string header(std::string_view name) const; // "" when absent
};

class HttpClient {
  public:
    virtual ~HttpClient() = default;
    // unreachable: nothing was sent (refused, no route, TLS). unknown: sent, but no whole answer came back.
    // An HTTP status of 400 and above is not an error here.
    virtual Result<HttpResponse> send(const HttpRequest& request, Deadline deadline) = 0;
};

// libcurl; connections are kept alive between calls of one client. One client per thread.
std::unique_ptr<HttpClient> make_curl_client(const Cancel* cancel = nullptr);

} // namespace conduit
