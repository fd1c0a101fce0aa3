// SPDX-License-Identifier: Apache-2.0
#include "agent/control/snapshot.hpp"
#include "tests/support/catch.hpp"

#include <fmt/format.h>

using namespace conduit;
using namespace conduit::agent;

TEST_CASE("a key list gives ids, digests, limits and age groups")
{
    const auto keys =
        parse_keys(fmt::format("- {{name: team-a, sha256: {}, limit: 1000/h, age_group: child}}\n"
                               "- {{name: team-b, sha256: 'sha256:{}'}}\n",
                               sha256_hex("key-a"), sha256_hex("key-b")),
                   "keys.yaml");
    REQUIRE(keys);
    REQUIRE(keys->size() == 2);
    CHECK((*keys)[0].limit == Rate{1000, Duration{3'600'000}});
    CHECK((*keys)[0].age_group == "child");
    KeyTable table;
    for (const auto& key : *keys)
        table.add(key);
    REQUIRE(table.find("key-a"));
    CHECK(table.find("key-a")->id == "team-a");
    CHECK(table.find("key-b")->id == "team-b");
    CHECK(table.find("key-c") == nullptr);
    CHECK(table.find("") == nullptr);
}

TEST_CASE("a key list may be JSON and may be empty")
{
    CHECK(parse_keys(fmt::format(R"([{{"name": "a", "sha256": "{}"}}])", sha256_hex("x")), "keys.json"));
    const auto none = parse_keys("", "keys.yaml");
    REQUIRE(none);
    CHECK(none->empty());
}

TEST_CASE("two keys of one name are both valid during a rotation")
{
    const auto keys = parse_keys(fmt::format("- {{name: a, sha256: {}}}\n- {{name: a, sha256: {}}}\n",
                                             sha256_hex("old"), sha256_hex("new")),
                                 "keys.yaml");
    REQUIRE(keys);
    CHECK(keys->size() == 2);
}

TEST_CASE("faults in a key list tell their lines and never show a digest")
{
    const auto keys = parse_keys(fmt::format("- {{name: a, sha265: {}}}\n- {{name: a/b, sha256: {}}}\n- 5\n",
                                             sha256_hex("x"), sha256_hex("y")),
                                 "keys.yaml");
    REQUIRE_FALSE(keys);
    CHECK(keys.error().message.find("keys.yaml:1: unknown key 'sha265'; did you mean sha256?") == 0);
    CHECK(keys.error().cause.find("keys.yaml:2") != std::string::npos);
    CHECK(keys.error().cause.find("keys.yaml:3") != std::string::npos);
    CHECK(parse_keys("name: a\n", "keys.yaml").error().message.find("a list") != std::string::npos);
}

TEST_CASE("tokens have a scope and two of one name are valid at once")
{
    const auto tokens = parse_tokens(fmt::format("- {{name: maria, scope: operator, sha256: {}}}\n"
                                                 "- {{name: maria, scope: operator, sha256: {}}}\n"
                                                 "- {{name: grafana, scope: viewer, sha256: {}}}\n",
                                                 sha256_hex("old"), sha256_hex("new"), sha256_hex("view")),
                                     "tokens.yaml");
    REQUIRE(tokens);
    REQUIRE(find_token(*tokens, "old"));
    REQUIRE(find_token(*tokens, "new"));
    CHECK(find_token(*tokens, "view")->scope == "viewer");
    CHECK(find_token(*tokens, "other") == nullptr);
    CHECK(find_token({}, "") == nullptr);
    CHECK_FALSE(parse_tokens(fmt::format("- {{name: a, scope: root, sha256: {}}}\n", sha256_hex("x")), "t"));
}
