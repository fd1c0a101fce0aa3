// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/control_target.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_agents.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;

namespace {

ops::Step disable_step(const ops::FieldValue& before)
{
    ops::Step step;
    step.resource = "provider/openai";
    step.fields = {{.path = "providers/openai/enabled", .before = before.value, .after = Json(false)}};
    return step;
}

ops::WriteContext context(const std::string& key)
{
    return {.key = {key, 1}, .operator_name = "maria", .reason = "incident", .deadline = Deadline(2s)};
}

const std::vector<std::string> k_path{"providers/openai/enabled"};

} // namespace

TEST_CASE("the field is the override, absent when there is none")
{
    test::FakeAgents agents(system_clock());
    ControlTarget target(agents, system_clock(), 0ms);
    const auto before = target.observe(k_path, Deadline(1s)).value().at(k_path[0]);
    CHECK(before.value->is_null());
    REQUIRE(target.apply(context("OP"), disable_step(before)));
    const auto after = target.observe(k_path, Deadline(1s)).value().at(k_path[0]);
    CHECK(*after.value == false);
    CHECK(after.by == "maria, OP");
}

TEST_CASE("an unknown path is not found instead of an absent override")
{
    test::FakeAgents agents(system_clock());
    ControlTarget target(agents, system_clock(), 0ms);
    const std::vector<std::string> wrong{"providers/opnai/enabled"};
    CHECK(target.observe(wrong, Deadline(1s)).error().kind == ErrorKind::not_found);
}

TEST_CASE("a field that somebody else changed is stale and says who")
{
    test::FakeAgents agents(system_clock());
    ControlTarget target(agents, system_clock(), 0ms);
    agents.overrides["providers/openai/enabled"] = {Json(false), "bob", "", "", {}, 1};
    const auto r = target.apply(context("OP"), disable_step({}));
    REQUIRE_FALSE(r);
    CHECK(r.error().kind == ErrorKind::stale);
    CHECK(r.error().details.at("field") == "providers/openai/enabled");
    CHECK(r.error().details.at("by") == "bob");
}

TEST_CASE("values with different ends are written at once")
{
    test::FakeAgents agents(system_clock());
    ControlTarget target(agents, system_clock(), 0ms);
    ops::Step step;
    step.fields = {
        {.path = "providers/openai/weight", .after = Json(10), .after_until = system_clock().now() + 1h},
        {.path = "providers/google/weight", .after = Json(90)},
        {.path = "cache/ttl/speech", .after = Json("2h"), .after_until = system_clock().now() + 2h}};
    REQUIRE(target.apply(context("OP"), step));
    CHECK(agents.revision == 2);
    CHECK(agents.overrides.at("providers/openai/weight").expires_at);
    CHECK_FALSE(agents.overrides.at("providers/google/weight").expires_at);
    CHECK(agents.overrides.at("cache/ttl/speech").expires_at >
          agents.overrides.at("providers/openai/weight").expires_at);
}

TEST_CASE("a step whose reply was lost is found by its key and not written twice")
{
    test::FakeAgents agents(system_clock());
    ControlTarget target(agents, system_clock(), 0ms);
    agents.lose_next_patch_reply = true;
    const auto step = disable_step({});
    CHECK(target.apply(context("OP"), step).error().kind == ErrorKind::unknown);
    const auto found = target.find({"OP", 1}, step, Deadline(1s)).value();
    REQUIRE(found);
    CHECK(found->observed == "revision 2");
    CHECK_FALSE(target.find({"OTHER", 1}, step, Deadline(1s)).value());
    REQUIRE(target.apply(context("OP"), step));
    CHECK(agents.revision == 2);
}

TEST_CASE("verify needs every replica and a counter that stands still")
{
    test::FakeAgents agents(system_clock());
    ControlTarget target(agents, system_clock(), 10ms);
    ops::NullProgress progress;
    const auto step = disable_step({});
    const auto applied = target.apply(context("OP"), step).value();
    CHECK(target.verify(step, applied, Deadline(2s), progress));

    agents.behind = "agent-2";
    const auto r = target.verify(step, applied, Deadline(100ms), progress);
    REQUIRE_FALSE(r);
    CHECK(r.error().kind == ErrorKind::unverified);
    CHECK(r.error().message == "2 of 3 replicas at revision 2; missing: agent-2 (at revision 1)");
}

TEST_CASE("a drained provider is one at which nothing is under way, realtime sessions included")
{
    test::FakeAgents agents(system_clock());
    ControlTarget target(agents, system_clock(), 0ms);
    std::string lines;
    ops::LineProgress progress([&](std::string_view line) { lines += line; });
    auto step = disable_step({});
    step.fields.push_back({.path = "providers/openai/realtime_drain", .after = Json("5s")});
    agents.providers[0].in_flight = agents.providers[0].realtime = 1;
    const auto applied = target.apply(context("OP"), step).value();
    const auto waiting = target.verify(step, applied, Deadline(100ms), progress);
    REQUIRE_FALSE(waiting);
    CHECK(waiting.error().kind == ErrorKind::unverified);
    CHECK(waiting.error().message.contains("3 at openai")); // one in each replica
    agents.providers[0].in_flight = agents.providers[0].realtime = 0;
    REQUIRE(target.verify(step, applied, Deadline(2s), progress));
    CHECK(lines.contains("realtime sessions"));
}

TEST_CASE("a drain that is configured for an enabled provider is not waited for")
{
    test::FakeAgents agents(system_clock());
    ControlTarget target(agents, system_clock(), 0ms);
    ops::NullProgress progress;
    ops::Step step;
    step.fields = {{.path = "providers/openai/realtime_drain", .after = Json("5s")}};
    agents.providers[0].in_flight = agents.providers[0].realtime = 1;
    const auto applied = target.apply(context("OP"), step).value();
    CHECK(target.verify(step, applied, Deadline(2s), progress));
}

TEST_CASE("the guards see the providers as they would be")
{
    test::FakeAgents agents(system_clock());
    ControlTarget target(agents, system_clock());
    ops::Plan plan;
    plan.steps = {disable_step({})};
    agents.providers[1].health = 0.2;
    const auto facts = target.facts(plan, Deadline(1s)).value();
    CHECK(facts.now.providers.at(0).enabled);
    CHECK_FALSE(facts.then.providers.at(0).enabled);
    CHECK_FALSE(facts.then.providers.at(1).healthy);
    CHECK(facts.then.providers.at(2).weight == 10);
}
