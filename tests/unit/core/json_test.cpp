#include "core/json.hpp"
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
