// SPDX-License-Identifier: Apache-2.0
#include "cli/redis/clear.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;
using namespace conduit::redis;
using namespace std::chrono_literals;

TEST_CASE("a page grows while the server is idle and shrinks when it is kept too long")
{
    PageSize page(250us, 40us);
    const auto first = page.keys();
    for (int i = 0; i < 100; ++i)
        page.took(60us);
    const auto grown = page.keys();
    CHECK(grown > first);
    CHECK(grown <= 4'000);
    for (int i = 0; i < 100; ++i)
        page.took(10ms);
    CHECK(page.keys() < first);
    CHECK(page.keys() >= 20);
    const auto steady = page.keys();
    page.took(40us + 220us); // busy for as long as it may be
    CHECK(page.keys() == steady);
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
