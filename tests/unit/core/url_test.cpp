#include "core/clock.hpp"
#include "core/url.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;

TEST_CASE("URLs are split and put together again")
{
    const auto url = parse_url("https://[::1]:8443/v1/audio?x=1#frag").value();
    CHECK(url.host == "::1");
    CHECK(url.port == 8443);
    CHECK(url.path == "/v1/audio");
    CHECK(url.query == "x=1");
    CHECK(url.str() == "https://[::1]:8443/v1/audio?x=1");
    CHECK(parse_url("http://a")->authority() == "a");
    for (const auto* bad : {"", "a", "ftp://a", "http://", "http://a:99999", "http://u:p@a", "http://a b/"})
        CHECK_FALSE(parse_url(bad));
}

TEST_CASE("queries are encoded in code, never by a shell")
{
    CHECK(query_string({{"query", "rate(x[5m]){a=\"b\"}"}}) == "query=rate%28x%5B5m%5D%29%7Ba%3D%22b%22%7D");
    CHECK(parse_query("limit=10&x=a+b%21").find("x")->second == "a b!");
    CHECK(parse_host_port("0.0.0.0:0")->port == 0);
    CHECK_FALSE(parse_host_port("localhost"));
}

TEST_CASE("times round-trip through RFC 3339")
{
    CHECK(format_time(*parse_time("2026-11-22T14:04:11.532Z")) == "2026-11-22T14:04:11.532Z");
    CHECK(format_time(*parse_time("1969-12-31T23:59:59.999Z")) == "1969-12-31T23:59:59.999Z");
    for (const auto* bad :
         {"", "2026-11-22", "2026-13-01T00:00:00Z", "2026-11-22T14:04:11", "2026-11-22T25:00:00Z"})
        CHECK_FALSE(parse_time(bad));
}
