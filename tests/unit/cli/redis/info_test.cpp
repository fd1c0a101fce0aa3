// SPDX-License-Identifier: Apache-2.0
#include "cli/redis/info.hpp"
#include "cli/redis/settings.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;
using namespace conduit::redis;

TEST_CASE("a field that INFO does not have is unknown, not zero")
{
    const auto info = Info::parse("# Stats\r\nkeyspace_hits:3\r\nodd\r\nused_memory:many\r\n\r\n");
    CHECK(info.number("keyspace_hits").value() == 3);
    CHECK(info.number("keyspace_misses").error().kind == ErrorKind::unknown);
    CHECK(info.number("used_memory").error().kind == ErrorKind::unknown);
    CHECK(info.sections().size() == 1);
    CHECK(Info::parse("").sections().empty());
    CHECK_FALSE(Info::parse("x:nan").maybe("x").has_value());
}

TEST_CASE("rates are of the window; a counter that went back is no rate, and no look-up is no ratio")
{
    const auto before = Info::parse("keyspace_hits:100\r\nkeyspace_misses:100\r\nevicted_keys:5\r\n");
    const auto after = Info::parse("keyspace_hits:130\r\nkeyspace_misses:110\r\nevicted_keys:1\r\n");
    const auto rates = rates_between(before, after, 10);
    CHECK(rates.hits == 3);
    CHECK(rates.hit_ratio == 0.75);
    CHECK(*rates.hit_ratio_total == Approx(130.0 / 240));
    CHECK_FALSE(rates.evicted.has_value());
    CHECK_FALSE(rates_between(after, after, 10).hit_ratio.has_value());
    CHECK_FALSE(rates_between(before, after, 0).hits.has_value());
}

TEST_CASE("secrets among the settings are known by name")
{
    for (const auto* name : {"requirepass", "masterauth", "tls-key-file-pass", "REQUIREPASS"})
        CHECK(is_secret_setting(name));
    CHECK_FALSE(is_secret_setting("maxmemory"));
}

TEST_CASE("lines of clients that make no sense are left out")
{
    const auto clients = parse_clients("id=3 addr=1.2.3.4:5 name= cmd=get\nnonsense\n\nid=4 addr=[::1]:5\n");
    REQUIRE(clients.size() == 2);
    CHECK(clients[0].at("addr") == "1.2.3.4:5");
    CHECK(clients[0].at("name").empty());
}
