// SPDX-License-Identifier: Apache-2.0
#include "cli/database/masking.hpp"
#include "tests/support/catch.hpp"

#include <random>

using namespace conduit;

TEST_CASE("literals and numbers of a statement are masked, its names are not")
{
    const auto masked = [](std::string_view text) { return sql::masked(text); };
    CHECK(masked("SELECT * FROM users WHERE mail = 'a@b.c' AND age > 41") ==
          "SELECT * FROM users WHERE mail = ? AND age > ?");
    CHECK(masked("SELECT 'it''s', E'it\\'s', U&'x', B'01', x'ff', $1, $tag$ secret $$ $tag$, $$a$$") ==
          "SELECT ?, E?, U&?, B?, x?, $1, ?, ?");
    CHECK(masked("SELECT /* pin /* 1234 */ */ \"It's 5\".t2 -- 4711\n FROM t2") ==
          "SELECT \"It's 5\".t2 FROM t2");
    CHECK(masked("SELECT 1.5e10, .5, 0x1f, -3") == "SELECT ?, .?, ?, -?");
    CHECK(masked("INSERT INTO t VALUES ('cut off here") == "INSERT INTO t VALUES (?");
    CHECK(masked("SELECT $x$ cut off") == "SELECT ?");
    CHECK(masked("SELECT 'a\\' || secret || 'b'") == "SELECT ? || secret || ?"); // no escape without E
    CHECK(masked("").empty());
    CHECK(masked("SELECT 1\x1b[31m") == "SELECT ?\\x1b[?");
}

TEST_CASE("a long statement is cut off after masking")
{
    const auto text = sql::masked("SELECT " + std::string(10'000, 'x'), 100);
    CHECK(text.size() < 120);
    CHECK(text.ends_with(" ..."));
}

TEST_CASE("the first word is found behind comments and brackets")
{
    CHECK(sql::first_word("select 1") == "SELECT");
    CHECK(sql::first_word("  /* a /* b */ */ -- c\n ((With x AS (SELECT 1) TABLE x))") == "WITH");
    CHECK(sql::first_word("-- SELECT").empty());
    CHECK(sql::first_word("").empty());
    CHECK(sql::first_word("/* never ends").empty());
    CHECK(sql::first_word(";SELECT").empty());
}

TEST_CASE("no text of a statement makes the masking hang or fail")
{
    std::mt19937 random(7); // NOLINT: the same texts each time
    const std::string letters = "aE'\"$1.-/*(),; \n\\\xc3\xff";
    for (int i = 0; i < 20'000; ++i) {
        std::string text;
        for (auto n = random() % 40; n > 0; --n)
            text += letters[random() % letters.size()];
        CHECK(sql::masked(text, 60).size() <= 4 * 60 + 4);
        (void)sql::first_word(text);
    }
}
