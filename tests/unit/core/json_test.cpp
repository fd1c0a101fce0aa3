#include "core/json.hpp"
#include "core/json_items.hpp"
#include "core/json_text.hpp"
#include "tests/support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;

TEST_CASE("hostile JSON is an error, never a crash")
{
    CHECK_FALSE(parse_json(std::string(100'000, '[')));
    CHECK_FALSE(parse_json("{\"a\":"));
    CHECK_FALSE(parse_json("\"\xFF\""));
    CHECK_FALSE(parse_json(""));
    CHECK_FALSE(parse_json("[1,2]", {.max_bytes = 3}));
    CHECK(parse_json("{\"a\": [1, \"]\"]}"));
}

TEST_CASE("canonical JSON does not depend on the order of keys")
{
    CHECK(canonical_json(*parse_json(R"({"b":1,"a":{"d":1,"c":2}})")) == R"({"a":{"c":2,"d":1},"b":1})");
}

TEST_CASE("a missing or mistyped field is unknown, never zero")
{
    const auto doc = *parse_json(R"({"n": 1, "s": "x"})");
    CHECK(json_number(doc, "n") == 1.0);
    CHECK(json_number(doc, "s").error().kind == ErrorKind::unknown);
    CHECK(json_string(doc, "gone").error().kind == ErrorKind::unknown);
    CHECK(json_number_or(doc, "gone", 7) == 7);
}

TEST_CASE("a box has value semantics")
{
    JsonBox a(Json{{"x", 1}});
    JsonBox b = a;
    (*b)["x"] = 2;
    CHECK((*a)["x"] == 1);
    a = std::move(b);
    CHECK((*a)["x"] == 2);
}

TEST_CASE("a quoted text is what a document would give")
{
    for (const std::string text :
         {"", "plain", "with \"quotes\" and \\", "line\nfeed\t\x01", "Grüße", "\xff broken", "\x7f"})
        CHECK(quoted_json(text) == dump_json(Json(text)));
}

TEST_CASE("the items of a list come one at a time, and the rest stays")
{
    const std::string text =
        R"({"kind":"List","items":[{"a":1,"noise":{"x":[1]},"in":{"noise":2,"b":3}},{"a":2}],)"
        R"("metadata":{"continue":"x","items":[{"a":9}]}})";
    std::vector<std::string> seen;
    const auto rest = parse_json_items(text, "items", {"noise"},
                                       [&](const Json& item) { seen.push_back(dump_json(item)); });
    REQUIRE(rest);
    CHECK(seen == std::vector<std::string>{R"({"a":1,"in":{"b":3}})", R"({"a":2})"});
    CHECK(dump_json(*rest) == R"({"kind":"List","items":[],"metadata":{"continue":"x","items":[{"a":9}]}})");
}

TEST_CASE("a list that is broken, too deep or none is told as any document")
{
    std::size_t items = 0;
    const auto read = [&](const std::string& text) {
        items = 0;
        return parse_json_items(text, "items", {}, [&](const Json&) { ++items; }, {1'000, 8});
    };
    CHECK(read(R"({"items":[{"a":1},{"a")").error().message == "not valid JSON at byte 23");
    CHECK(items == 1);
    CHECK_FALSE(read(R"({"items":[)" + std::string(20, '[')));
    CHECK_FALSE(read(std::string(2'000, ' ')));
    CHECK_FALSE(read(""));
    CHECK(read("[]"));
    CHECK(read(R"({"items":null})"));
    CHECK(items == 0);
    CHECK(read(R"({"items":[1,"x",[{"a":1}]]})"));
    CHECK(items == 3);
}
