// SPDX-License-Identifier: Apache-2.0
#include "cli/redis/clear.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;
using namespace conduit::redis;
using namespace std::chrono_literals;

TEST_CASE("a page grows while the server is idle and shrinks when it is kept too long")
{
    PageSize page(200us);
    page.took(50us);
    CHECK(page.keys() == 200); // at most twice at once
    page.took(100us);
    CHECK(page.keys() == 400);
    page.took(200us);
    CHECK(page.keys() == 400);
    for (int i = 0; i < 100; ++i)
        page.took(0us);
    CHECK(page.keys() == 4'000);
    for (int i = 0; i < 100; ++i)
        page.took(1s);
    CHECK(page.keys() == 20);
}

TEST_CASE("how long a command takes the server is read from its own figures, or not at all")
{
    const auto before =
        Info::parse("cmdstat_scan:calls=10,usec=1000,usec_per_call=100.00,rejected_calls=0\r\n");
    const auto after = Info::parse("cmdstat_scan:calls=20,usec=3000,usec_per_call=150.00\r\n"
                                   "cmdstat_unlink:calls=2,usec=100,usec_per_call=50.00\r\n");
    CHECK(turn_between(before, after) == 200us);
    CHECK(turn_between(Info::parse(""), after) == 150us);
    CHECK_FALSE(turn_between(after, before).has_value()); // reset meanwhile
    CHECK_FALSE(turn_between(after, after).has_value());
    CHECK_FALSE(turn_between(before, Info::parse("cmdstat_scan:calls=many,usec=-\r\n")).has_value());
}

TEST_CASE("the literal beginning of a pattern is what every dropped key has to begin with")
{
    CHECK(clear_by_pattern("cache:*").value().prefix == "cache:");
    CHECK(clear_by_pattern("cache:[ab]:x").value().prefix == "cache:");
    CHECK(clear_by_pattern("a\\*b").value().prefix == "a");
    for (const auto* bad : {"", "*", "?x", "[a]", "\\*"})
        CHECK(clear_by_pattern(bad).error().kind == ErrorKind::usage);
    for (const auto* bad : {"", "*", "cache:*", "a?b", "a[b", "a\\b"})
        CHECK(clear_by_prefix(bad).error().kind == ErrorKind::usage);
    CHECK(clear_by_prefix("cache: with blanks\n").has_value());
}

TEST_CASE("an answer to SCAN that is none is unknown")
{
    Reply page{.type = Reply::Type::array};
    CHECK(read_page(page, "x").error().kind == ErrorKind::unknown);
    page.items = {Reply{.type = Reply::Type::text, .text = "12"}, Reply{.type = Reply::Type::array}};
    CHECK(read_page(page, "x").value().cursor == "12");
    page.items[0].text = "12; DEL x";
    CHECK_FALSE(read_page(page, "x"));
    page.items[0].text = "0";
    page.items[1].items = {Reply{}};
    CHECK_FALSE(read_page(page, "x"));
}

TEST_CASE("the prefix of a key is what stands before its first colon")
{
    CHECK(prefix_of("audio:tts:1") == "audio:");
    CHECK(prefix_of("plain") == "(none)");
    CHECK(prefix_of(":x") == ":");
    CHECK(prefix_of("") == "(none)");
}
