// SPDX-License-Identifier: Apache-2.0
#include "agent/providers/request.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;
using namespace conduit::agent;

TEST_CASE("a chat completion gives its model and keeps its bytes")
{
    const std::string body =
        R"({"messages":[{"role":"user","content":"hi","model":"inner"}], "model" : "gpt-4o-mini","n":1.5})";
    const auto chat = parse_chat(body);
    REQUIRE(chat);
    CHECK(chat->model == "gpt-4o-mini");
    CHECK(chat->raw_json == body);
}

TEST_CASE("a chat completion without model or messages names what is missing")
{
    const auto param = [](std::string body) {
        const auto chat = parse_chat(std::move(body));
        REQUIRE_FALSE(chat);
        CHECK(chat.error().kind == ErrorKind::usage);
        const auto it = chat.error().details.find("param");
        return it == chat.error().details.end() ? std::string() : it->second;
    };
    CHECK(param(R"({"messages":[]})") == "model");
    CHECK(param(R"({"messages":[],"model":7})") == "model");
    CHECK(param(R"({"model":"m"})") == "messages");
    CHECK(param(R"({"model":"m","messages":"hi"})") == "messages");
    CHECK(param(R"({"model":"m","inner":{"messages":[]}})") == "messages");
}

TEST_CASE("what is no chat completion is refused with its place")
{
    CHECK(parse_chat("").error().message == "the body is not valid JSON at byte 1");
    CHECK(parse_chat(R"({"model":"m","messages":[})").error().message ==
          "the body is not valid JSON at byte 26");
    CHECK(parse_chat(R"([{"model":"m","messages":[]}])").error().message == "the body is not a JSON object");
    CHECK_FALSE(parse_chat("{\"model\":\"\xff\",\"messages\":[]}"));
    const auto deep = parse_chat(R"({"model":"m","messages":)" + std::string(100'000, '['));
    REQUIRE_FALSE(deep);
    CHECK(deep.error().message == "the body is nested deeper than 64");
}

TEST_CASE("a chat completion is read with escapes, repeats and blanks as JSON allows them")
{
    CHECK(parse_chat(R"({"mod\u0065l":"a\"b\u00e9","messages":[]})")->model == "a\"b\u00e9");
    CHECK(parse_chat(R"({"model":"first","messages":[],"model":"last"})")->model == "last");
    CHECK(parse_chat(" \n{\"messages\":[{\"model\":\"inner\"}],\"x\":{\"model\":1},\"model\":\"m\"} \n")
              ->model == "m");
    const auto two = parse_chat(R"({"model":"m","messages":[]} {})");
    REQUIRE_FALSE(two);
    CHECK(two.error().message == "the body is not valid JSON at byte 29");
    const auto cut = parse_chat(R"({"model":"m","messages":[)");
    REQUIRE_FALSE(cut);
    CHECK(cut.error().message == "the body is not valid JSON at byte 26");
    CHECK(parse_chat(R"({"messages":[],"model":")" + std::string(100'000, 'm') + "\"}")->model.size() ==
          100'000);
}
