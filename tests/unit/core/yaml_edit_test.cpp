// SPDX-License-Identifier: Apache-2.0
#include "core/yaml_edit.hpp"
#include "tests/support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;

namespace {

const std::string k_file = R"(# who changed it last: maria
current-context: prod   # the usual one

contexts:
  # the big one
  prod:
    orchestrator: kubernetes
    guards:
      protected: true   # ask twice
      min_replicas: 3

  staging: {orchestrator: compose, guards: {max_replicas: 4}}   # small
# the end
)";

std::string edited(const std::string& text, const std::vector<std::string>& path, const Json& value)
{
    const auto out = edit_yaml(text, path, value);
    return out ? *out : "error: " + out.error().message;
}

} // namespace

TEST_CASE("a scalar is replaced where it stands and its comment stays")
{
    auto wanted = k_file;
    wanted.replace(wanted.find("protected: true"), 15, "protected: false");
    CHECK(edited(k_file, {"contexts", "prod", "guards", "protected"}, false) == wanted);
}

TEST_CASE("a new key goes to the end of its map, and taking it out gives the text back")
{
    auto wanted = k_file;
    const std::string last = "      min_replicas: 3\n";
    wanted.insert(wanted.find(last) + last.size(), "      max_replicas: 9\n");
    const std::vector<std::string> path{"contexts", "prod", "guards", "max_replicas"};
    const auto more = edited(k_file, path, 9);
    CHECK(more == wanted);
    CHECK(edited(more, path, nullptr) == k_file);
}

TEST_CASE("maps that are missing are made, and go with their last key")
{
    const std::vector<std::string> path{"contexts", "prod", "agent", "token"};
    const auto more = edited(k_file, path, "file:~/.token");
    CHECK(more.find("      min_replicas: 3\n    agent:\n      token: file:~/.token\n\n  staging") !=
          std::string::npos);
    CHECK(edited(more, path, nullptr) == k_file);
}

TEST_CASE("a flow map is changed on its line")
{
    const auto out = edited(k_file, {"contexts", "staging", "guards", "max_replicas"}, 5);
    INFO(out);
    CHECK(out.ends_with(
        "  staging: {orchestrator: compose, guards: {max_replicas: 5}}   # small\n# the end\n"));
}

TEST_CASE("an empty file gets its first key")
{
    CHECK(edited("", {"contexts", "local", "dir"}, "/tmp/x") == "contexts:\n  local:\n    dir: /tmp/x\n");
    CHECK(edited("# mine\n", {"a"}, 1) == "a: 1\n# mine\n");
}

TEST_CASE("lists, quoted keys and hashes in quotes are understood")
{
    CHECK(edited("\"a\":\n  b: \"x # y\" # z\n", {"a", "b"}, Json::array({"u", "v, w"})) ==
          "\"a\":\n  b: [u, \"v, w\"] # z\n");
    CHECK(edited("a:\n  - 1\n  - 2\nb: 3\n", {"a"}, 7) == "a: 7\nb: 3\n");
}

TEST_CASE("what cannot be edited in place is an error instead of a damaged file")
{
    CHECK_FALSE(edit_yaml("a: &x {b: 1}\nc: *x\n", std::vector<std::string>{"a", "b"}, 2));
    CHECK_FALSE(edit_yaml("[1, 2]\n", std::vector<std::string>{"a"}, 2));
    CHECK_FALSE(edit_yaml("a: [\n", std::vector<std::string>{"a"}, 2));
    CHECK_FALSE(edit_yaml("text: |\n  a: 1\n  # no comment\nb: {c: |}\n", std::vector<std::string>{"x"}, 2));
}
