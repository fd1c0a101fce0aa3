// SPDX-License-Identifier: Apache-2.0
#include "cli/command/render.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/test_clock.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;

namespace {

using Format = Column::Format;
using Align = Column::Align;

Report providers()
{
    Report report;
    report.data = parse_json(R"({"items": [
        {"name": "openai", "weight": 70, "share": 0.668, "p95_ms": 1100, "pool": {"used": 34}, "memory": 1503238553,
         "since": "2026-11-22T13:04:11Z", "enabled": true},
        {"name": "gö\u001b[31m", "weight": 5, "share": null, "p95_ms": 80, "pool": {}, "enabled": false}]})")
                      .value();
    report.columns = {
        {.head = "NAME", .field = "name"},
        {.head = "WEIGHT", .field = "weight", .format = Format::integer, .align = Align::right},
        {.head = "SHARE", .field = "share", .format = Format::percent, .align = Align::right},
        {.head = "P95", .field = "p95_ms", .format = Format::milliseconds, .align = Align::right},
        {.head = "POOL", .field = "pool.used"},
        {.head = "ENABLED", .field = "enabled", .format = Format::yes_no},
        {.head = "MEMORY", .field = "memory", .format = Format::bytes, .wide_only = true},
        {.head = "AGE", .field = "since", .format = Format::age}};
    report.notes = {"two providers"};
    report.next = {"conduitctl provider ls --watch", "conduitctl undo X"};
    return report;
}

Rendered render(const Report& report, RenderOptions options)
{
    options.now = test::TestClock{}.now();
    const auto rendered = render_report(report, options);
    REQUIRE(rendered);
    return *rendered;
}

} // namespace

TEST_CASE("a table is a projection of the document, with foreign text made harmless")
{
    const Rendered shown = render(providers(), {});
    CHECK(shown.out == "NAME        WEIGHT  SHARE   P95  POOL  ENABLED  AGE\n"
                       "openai          70  66.8%  1.1s  34    yes      60m\n"
                       "gö\\x1b[31m       5      -  80ms  -     no       -\n");
    CHECK(shown.err == "two providers\nNext  conduitctl provider ls --watch\n      conduitctl undo X\n");
}

TEST_CASE("wide adds its columns, quiet drops the notes")
{
    const Rendered shown = render(providers(), {.format = OutputFormat::wide, .quiet = true});
    CHECK(shown.out.find("MEMORY") != std::string::npos);
    CHECK(shown.out.find("1.4 GiB") != std::string::npos);
    CHECK(shown.err.empty());
}

TEST_CASE("json, yaml, name and jsonpath show the same document")
{
    CHECK(parse_json(render(providers(), {.format = OutputFormat::json}).out).value() == *providers().data);
    CHECK(render(providers(), {.format = OutputFormat::yaml}).out.starts_with("items:\n"));
    CHECK(render(providers(), {.format = OutputFormat::name}).out == "openai\ngö\\x1b[31m\n");
    CHECK(render(providers(), {.format = OutputFormat::jsonpath, .jsonpath = "{.items[0].weight}"}).out ==
          "70\n");
}

TEST_CASE("an empty list is no output in a table and an empty list in json")
{
    Report report = providers();
    report.data = Json{{"items", Json::array()}};
    CHECK(render(report, {}).out.empty());
    CHECK(render(report, {.format = OutputFormat::json}).out == "{\n  \"items\": []\n}\n");
}

TEST_CASE("an object without columns is shown as lines")
{
    Report report;
    report.data = Json{{"name", "x"}, {"limits", {{"max", 3}}}, {"tags", {"a", "b"}}, {"none", nullptr}};
    CHECK(render(report, {}).out == "name    x\nlimits\n  max  3\ntags    a,b\nnone    -\n");
}

TEST_CASE("an error has one line each for itself, its cause and its hint")
{
    Error error{ErrorKind::refused, "aws would be the only provider left",
                "Enable openai first:\nconduitctl x"};
    error.cause = "openai is \033[31mdisabled";
    CHECK(render_error(error, OutputFormat::table, false) == "error: aws would be the only provider left\n"
                                                             "cause: openai is \\x1b[31mdisabled\n"
                                                             "hint:  Enable openai first:\n"
                                                             "       conduitctl x\n");
    CHECK(render_error(error, OutputFormat::table, true).starts_with("\033[31merror:\033[0m aws"));
}

TEST_CASE("under json an error is one object with what a program needs")
{
    const Error error =
        Error{ErrorKind::locked, "the lock providers is held", "Wait."}.with_detail("holder", "maria");
    const Json json = parse_json(render_error(error, OutputFormat::json, true)).value();
    CHECK(json["error"]["code"] == 8);
    CHECK(json["error"]["name"] == "locked");
    CHECK(json["error"]["message"] == "the lock providers is held");
    CHECK(json["error"]["hint"] == "Wait.");
    CHECK(json["error"]["retryable"] == true);
    CHECK(json["error"]["holder"] == "maria");
}
