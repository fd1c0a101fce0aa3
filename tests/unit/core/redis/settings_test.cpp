// SPDX-License-Identifier: Apache-2.0
#include "core/redis/settings.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;
using namespace conduit::redis;

TEST_CASE("an address of Redis is a host with or without a port, or a socket")
{
    CHECK(parse_address("cache")->port == 6379);
    CHECK(parse_address("cache", 26'379)->text == "cache:26379");
    CHECK(parse_address("[::1]:7000")->host == "::1");
    CHECK(parse_address("[::1]")->text == "[::1]:6379");
    CHECK(parse_address("/run/redis.sock")->socket == "/run/redis.sock");
    for (const auto* bad : {"", ":1", "a:0", "a:65536", "a:x", "::1", "[::1", "a b", "a\n", "[]:1", "a:1:2"})
        CHECK_FALSE(parse_address(bad));
    CHECK_FALSE(parse_address("/" + std::string(200, 'a')));
}

TEST_CASE("a URL of Redis names scheme, address and database, never a secret")
{
    CHECK(parse_url("redis://cache:7000/3")->database == 3);
    CHECK(parse_url("rediss://cache")->tls.on);
    CHECK(parse_url("unix:///run/redis.sock")->address.socket == "/run/redis.sock");
    CHECK_FALSE(parse_url("redis://cache").value().tls.on);
    for (const auto* bad :
         {"", "cache:6379", "http://cache", "redis://", "redis://cache/x", "redis://cache/-1"})
        CHECK_FALSE(parse_url(bad));
    const auto secret = parse_url("redis://:hunter2@cache");
    REQUIRE_FALSE(secret);
    CHECK_FALSE(secret.error().message.contains("hunter2"));
    const auto odd = parse_url("http://user:hunter2@cache");
    REQUIRE_FALSE(odd);
    CHECK_FALSE(odd.error().message.contains("hunter2"));
}
