// SPDX-License-Identifier: Apache-2.0
// Where a Redis server is and who we are there.
#pragma once

#include "core/duration.hpp"
#include "core/fs.hpp"
#include "core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::redis {

struct Address {
    std::string host; // without brackets
    std::uint16_t port = 6379;
    fs::path socket;  // set: a unix socket instead
    std::string text; // for messages: "cache.example:6379", "/run/redis.sock"
    bool operator==(const Address&) const = default;
};
// "host", "host:6379", "[::1]:6379", "/run/redis.sock"
Result<Address> parse_address(std::string_view text, std::uint16_t default_port = 6379);

struct Identity { // of Redis' access lists; both empty: none is presented
    std::string username, password;
    bool operator==(const Identity&) const = default;
};

struct Tls {
    bool on = false;
    fs::path ca;               // empty: the system's authorities
    fs::path certificate, key; // ours, when the server asks for one
    std::string server_name;   // what its certificate must be for; empty: the address
    bool verify = true;
    bool operator==(const Tls&) const = default;
};

struct Settings {
    Address address;                // unless there are sentinels
    std::vector<Address> sentinels; // asked in order who `master` is
    std::string master;
    Identity identity, sentinel_identity;
    Tls tls; // of servers and sentinels
    unsigned database = 0;
    Duration connect_timeout{1'000}; // to one server, until it is ready for commands
    bool operator==(const Settings&) const = default;
    std::string where() const; // "cache.example:6379", "master mymaster of 3 sentinels"
};

// "redis://host:6379/0", "rediss://host" (TLS), "unix:///run/redis.sock". A password in it is refused.
Result<Settings> parse_url(std::string_view text);

} // namespace conduit::redis
