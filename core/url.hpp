// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace conduit {

// http, https, ws, wss. User info in a URL is refused: secrets do not belong there.
struct Url {
    std::string scheme;
    std::string host; // without brackets for IPv6
    std::uint16_t port = 0;
    std::string path;  // begins with '/', or empty
    std::string query; // without '?'
    bool tls() const { return scheme == "https" || scheme == "wss"; }
    std::string authority() const; // host[:port], the port left out when it is the scheme's own
    std::string str() const;
};
Result<Url> parse_url(std::string_view text);

std::string query_string(const std::multimap<std::string, std::string>& parameters); // encoded, sorted
std::multimap<std::string, std::string> parse_query(std::string_view query); // broken pairs are skipped

struct HostPort {
    std::string host;
    std::uint16_t port = 0;
};
Result<HostPort> parse_host_port(std::string_view text); // "0.0.0.0:8080", "[::1]:0"

} // namespace conduit
