// SPDX-License-Identifier: Apache-2.0
#include "cli/command/render.hpp"
#include "tests/support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;

namespace {

Json document()
{
    return parse_json(R"({"a": {"b": "x", "d.e": 7}, "items": [
        {"name": "openai", "state": "open", "weight": 70}, {"name": "google", "state": "closed", "weight": 20},
        {"name": "aws", "state": "closed", "weight": 10}]})")
        .value();
}

std::string eval(std::string_view expression)
{
    const auto result = eval_jsonpath(expression, document());
    return result ? *result : "error: " + result.error().message;
}

} // namespace

TEST_CASE("jsonpath selects as kubectl does")
{
    const auto [expression, expected] = GENERATE(table<std::string, std::string>({
        {"{.a.b}", "x"},
        {".a.b", "x"},
        {"{$.a.b}", "x"},
        {"{.a['d.e']}", "7"},
        {"{.a.d\\.e}", "7"},
        {"{.items[0].name}", "openai"},
        {"{.items[-1].name}", "aws"},
        {"{.items[1:].name}", "google aws"},
        {"{.items[0:2].name}", "openai google"},
        {"{.items[*].name}", "openai google aws"},
        {"{.items[?(@.state==\"open\")].name}", "openai"},
        {"{.items[?(@.state!='open')].name}", "google aws"},
        {"{.items[?(@.weight>=20)].name}", "openai google"},
        {"{.items[?(@.missing)].name}", ""},
        {"{.nothing.here}", ""},
        {"{.items[9].name}", ""},
        {"name={.a.b}{\"\\n\"}", "name=x\n"},
        {"{range .items[*]}{.name}{\"\\t\"}{.weight}{\"\\n\"}{end}", "openai\t70\ngoogle\t20\naws\t10\n"},
        {"{range .nothing[*]}{.name}{end}done", "done"},
        {"{.a}", R"({"b":"x","d.e":7})"},
    }));
    CAPTURE(expression);
    CHECK(eval(expression) == expected);
}

TEST_CASE("a malformed jsonpath is a usage error that says where, never a crash")
{
    const auto* expression =
        GENERATE("", "{", "{.", "{.a", "{.a[}", "{.a[0}", "{.items[?(@.x==}", "{range .items[*]}x", "{end}",
                 "{.a[99999999999999999999]}", "{\"open", "{.items[?(@.x ~ 1)]}", "{}}{");
    CAPTURE(expression);
    const auto result = eval_jsonpath(expression, document());
    if (!result)
        CHECK(result.error().kind == ErrorKind::usage);
}

TEST_CASE("a jsonpath nested without end is refused")
{
    std::string deep;
    for (int i = 0; i < 200; ++i)
        deep += "{range .items[*]}";
    CHECK_FALSE(eval_jsonpath(deep, document()));
    CHECK_FALSE(eval_jsonpath(std::string(5000, 'x'), document()));
}
