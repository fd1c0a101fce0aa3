// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/fakes/ops_bench.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::ops;
using conduit::test::OpsBench;

namespace {

struct Saved {
    TempDir dir = *TempDir::make();
    OpsBench bench{dir.path()};
    std::string file = (dir.path() / "plan.json").string();

    Saved()
    {
        bench.target.set("providers/openai/weight", 70);
        bench.host.options.plan_out = file;
        const auto report = run_change(bench.host, intent());
        REQUIRE(report);
        CHECK(report->data->at("changed") == false);
        CHECK(bench.target.applied == 0);
        bench.host.options.plan_out.clear();
        bench.host.options.plan_in = file;
    }
    Intent intent() { return bench.intent("providers/openai/weight", 5); }
};

} // namespace

TEST_CASE("a saved plan runs exactly, once, and is already so afterwards", "[plan]")
{
    Saved saved;
    const auto report = run_change(saved.bench.host, saved.intent());
    REQUIRE(report);
    CHECK(saved.bench.target.get("providers/openai/weight") == 5);
    const auto again = run_change(saved.bench.host, saved.intent());
    REQUIRE(again);
    CHECK(again->data->at("changed") == false);
}

TEST_CASE("a saved plan is stale when its fields moved, and says which and by whom", "[plan]")
{
    Saved saved;
    saved.bench.target.set("providers/openai/weight", 60, "jonas, 01X");
    const auto report = run_change(saved.bench.host, saved.intent());
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::stale);
    CHECK(report.error().message ==
          "the world changed since the plan was made: providers/openai/weight is 60, not 70 "
          "(changed by jonas, 01X)");
    CHECK(report.error().details.at("field") == "providers/openai/weight");
    CHECK(report.error().details.at("by") == "jonas, 01X");
    CHECK(saved.bench.target.applied == 0);
}

TEST_CASE("a saved plan does not mind what it does not write", "[plan]")
{
    Saved saved;
    saved.bench.target.set("providers/google/weight", 60);
    CHECK(run_change(saved.bench.host, saved.intent()));
}

TEST_CASE("a saved plan run again after an undo is a new operation", "[plan]")
{
    Saved saved;
    const auto first = run_change(saved.bench.host, saved.intent());
    REQUIRE(first);
    saved.bench.host.options.plan_in.clear();
    REQUIRE(run_undo(saved.bench.host, saved.bench.finder, first->data->at("operation").get<std::string>()));
    saved.bench.host.options.plan_in = saved.file;
    const auto second = run_change(saved.bench.host, saved.intent());
    REQUIRE(second);
    CHECK(second->data->at("operation") != first->data->at("operation"));
    CHECK(saved.bench.target.get("providers/openai/weight") == 5);
}

TEST_CASE("a saved plan belongs to its context and its command", "[plan]")
{
    Saved saved;
    saved.bench.host.context = "staging";
    CHECK(run_change(saved.bench.host, saved.intent()).error().kind == ErrorKind::usage);
    saved.bench.host.context = "prod";
    CHECK(run_change(saved.bench.host, saved.bench.intent("providers/openai/weight", 6)).error().kind ==
          ErrorKind::usage);
}

TEST_CASE("a damaged plan file is a mistake of usage", "[plan]")
{
    Saved saved;
    for (const std::string text :
         {"", "{", "[]", "{\"v\":2}", "{\"v\":1,\"operation\":7}",
          R"({"v":1,"operation":"x","target_kind":"a","target":"b","scope":"c","verb":"d","steps":[{}]})"}) {
        REQUIRE(write_file(saved.file, text));
        const auto report = run_change(saved.bench.host, saved.intent());
        REQUIRE_FALSE(report);
        CHECK(report.error().kind == ErrorKind::usage);
        CHECK(report.error().message.find("plan.json") != std::string::npos);
    }
    saved.bench.host.options.plan_in = "/nowhere/plan.json";
    CHECK(run_change(saved.bench.host, saved.intent()).error().kind == ErrorKind::not_found);
}

TEST_CASE("a plan read back is the plan that was written", "[plan]")
{
    Plan plan;
    plan.operation = "01JD";
    plan.target_kind = "agent";
    plan.target = "local:/x";
    plan.scope = "providers";
    plan.verb = "pool reset";
    plan.tier = Tier::severe;
    plan.undo = UndoKind::none;
    plan.until = *parse_time("2026-11-22T16:04:00Z");
    plan.lines = {{"traffic", "70 → 0 %"}};
    Step step;
    step.resource = "pool/openai";
    step.action = "pool-reset";
    step.arguments = Json{{"provider", "openai"}};
    step.bound = 100;
    step.reversible = false;
    step.fields = {{"a/b", Json(1), Json{{"x", nullptr}}, *parse_time("2026-11-22T15:00:00Z"), {}, false}};
    plan.steps = {step};
    const auto text = dump_json(plan_json(plan, false));
    const auto back = plan_from_json(*parse_json(text));
    REQUIRE(back);
    CHECK(dump_json(plan_json(*back, false)) == text);
}

TEST_CASE("values are the same whatever the order of their keys and the kind of number", "[plan]")
{
    CHECK(same_json(*parse_json(R"({"a":1,"b":[1,{"c":2,"d":3}]})"),
                    *parse_json(R"({"b":[1.0,{"d":3,"c":2}],"a":1})")));
    CHECK_FALSE(same_json(*parse_json(R"({"a":1})"), *parse_json(R"({"a":1,"b":null})")));
    CHECK_FALSE(same_json(*parse_json("[1,2]"), *parse_json("[2,1]")));
    CHECK_FALSE(same_json(Json("1"), Json(1)));
    CHECK_FALSE(same_json(Json(), Json(false)));
}

TEST_CASE("a plan says the time that was asked for, and of an older plan what is left of it", "[plan]")
{
    Saved saved;
    auto& bench = saved.bench;
    bench.target.expiring = true;
    bench.host.options.plan_in.clear();
    bench.host.options.plan_out = saved.file;
    bench.host.options.revert_after = std::chrono::hours(2);
    CHECK(run_change(bench.host, saved.intent())->text.find("until 16:04:00 UTC (2 h)") != std::string::npos);
    bench.host.options.plan_out.clear();
    bench.host.options.plan_in = saved.file;
    bench.host.options.dry_run = true;
    bench.clock.advance(Duration{400});
    CHECK(run_change(bench.host, saved.intent())->text.find("(2 h)") != std::string::npos);
}

TEST_CASE("a value that is a whole document is shown by its size, and two of them differ")
{
    CHECK(show_value("50") == "50");
    CHECK(show_value(Json{{"a", 1}}) == R"({"a":1})");
    const std::string text = "a: 1\nb: 2\n";
    CHECK(show_value(text).starts_with("(10 bytes, sha256:"));
    CHECK(show_value(text) != show_value("a: 1\nb: 3\n"));
    CHECK(show_value(std::string(200, 'x')).starts_with("(200 bytes, "));
}
