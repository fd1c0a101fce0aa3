#include "core/duration.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;

TEST_CASE("durations are parsed and printed exactly")
{
    CHECK(parse_duration("90s") == 90s);
    CHECK(parse_duration("1h30m") == 90min);
    CHECK(parse_duration("250ms") == 250ms);
    CHECK(parse_duration("1.5h") == 90min);
    CHECK(parse_duration("0") == 0ms);
    for (const auto* text : {"250ms", "1h30m", "2d", "0s", "1m1s1ms"})
        CHECK(format_duration(*parse_duration(text)) == text);
}

TEST_CASE("a duration without a unit or with a foreign one is a usage error with a hint")
{
    for (const auto* text : {"", "15", "m", "1y", "-5s", "5 s", "1h30", "1e99h", "nan"}) {
        INFO(text);
        const auto r = parse_duration(text);
        REQUIRE_FALSE(r);
        CHECK(r.error().kind == ErrorKind::usage);
        CHECK_FALSE(r.error().hint.empty());
    }
}

TEST_CASE("human durations read well")
{
    CHECK(human_duration(30ms) == "0.03 s");
    CHECK(human_duration(41s) == "41 s");
    CHECK(human_duration(2h) == "2 h");
    CHECK(human_duration(90min) == "90 m");
    CHECK(human_duration(61h) == "2 d 13 h");
}

TEST_CASE("sizes, rates and ratios")
{
    CHECK(parse_bytes("512Mi") == 512ULL << 20U);
    CHECK(parse_bytes("64k") == 64'000U);
    CHECK_FALSE(parse_bytes("lots"));
    CHECK_FALSE(parse_bytes("5Xi"));
    CHECK(format_bytes(1ULL << 30U) == "1Gi");
    CHECK(format_bytes(1500) == "1500");
    CHECK(parse_rate("1000/h") == Rate{1000, 1h});
    CHECK(parse_rate("100/10s") == Rate{100, 10s});
    CHECK(parse_rate("0") == Rate{});
    CHECK_FALSE(parse_rate("fast"));
    CHECK_FALSE(parse_rate("5/0s"));
    CHECK(format_rate({100, 10s}) == "100/10s");
    CHECK(format_rate({60, 60s}) == "60/m");
    CHECK(parse_ratio("20%") == 0.2);
    CHECK_FALSE(parse_ratio("%"));
}
