// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/fakes/ops_bench.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::ops;
using conduit::test::OpsBench;

namespace {

struct Undo {
    TempDir dir = *TempDir::make();
    OpsBench bench{dir.path()};

    std::string change(const std::string& path, const Json& value)
    {
        const auto report = run_change(bench.host, bench.intent(path, value));
        if (!report)
            FAIL(report.error().message);
        return report->data->at("operation").get<std::string>();
    }
    Result<Report> undo(const std::string& id) { return run_undo(bench.host, bench.finder, id); }
    std::string undone(const std::string& id)
    {
        const auto report = undo(id);
        if (!report)
            FAIL(report.error().message);
        return report->data->at("changed") == true ? report->data->at("operation").get<std::string>() : "";
    }
};

} // namespace

TEST_CASE("undo returns to the exact earlier state, also after other fields changed", "[undo]")
{
    Undo t;
    t.bench.target.set("providers/openai/weight", 70);
    const auto before = t.bench.target.dump();
    const auto id = t.change("providers/openai/weight", 5);
    t.bench.target.set("providers/google/weight", 33, "jonas");
    const auto report = t.undo(id.substr(0, 20));
    REQUIRE(report);
    CHECK(report->data->at("undoes") == id);
    CHECK(report->data->at("verified") == true);
    CHECK(t.bench.target.get("providers/openai/weight") == 70);
    CHECK(t.bench.target.get("providers/google/weight") == 33);
    t.bench.target.set("providers/google/weight", nullptr);
    CHECK(t.bench.target.dump() == before);
}

TEST_CASE("undo goes back to nothing set where nothing was set", "[undo]")
{
    Undo t;
    const auto before = t.bench.target.dump();
    t.undone(t.change("providers/openai/enabled", false));
    CHECK(t.bench.target.dump() == before);
}

TEST_CASE("undo is stale when somebody changed the same field since, and says who", "[undo]")
{
    Undo t;
    const auto id = t.change("providers/openai/weight", 5);
    OpsBench jonas(t.dir.path(), "jonas");
    REQUIRE(run_change(jonas.host, jonas.intent("providers/openai/weight", 6)));
    const auto report = t.undo(id);
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::stale);
    CHECK(report.error().details.at("by").find("jonas, ") == 0);
    CHECK(report.error().details.at("field") == "providers/openai/weight");
    CHECK(t.bench.target.get("providers/openai/weight") == 6);
}

TEST_CASE("who changed a field is looked up in the journal when the target does not know", "[undo]")
{
    Undo t;
    const auto id = t.change("providers/openai/weight", 5);
    OpsBench jonas(t.dir.path(), "jonas");
    REQUIRE(run_change(jonas.host, jonas.intent("providers/openai/weight", 6)));
    t.bench.target.set("providers/openai/weight", 6); // now without a name on it
    CHECK(t.undo(id).error().details.at("by").find("jonas, ") == 0);
}

TEST_CASE("undo of an undo does it again, and undo twice is already so", "[undo]")
{
    Undo t;
    const auto id = t.change("providers/openai/enabled", false);
    const auto changed = t.bench.target.dump();
    const auto undo = t.undone(id);
    REQUIRE_FALSE(undo.empty());
    CHECK(t.undone(id).empty());
    CHECK_FALSE(t.undone(undo).empty());
    CHECK(t.bench.target.dump() == changed);
}

TEST_CASE("undo takes several steps back in the opposite order", "[undo]")
{
    Undo t;
    auto intent = t.bench.intent("a/x", 1);
    intent.steps.push_back(OpsBench::step("a/x", 2));
    intent.steps.push_back(OpsBench::step("a/y", 3));
    const auto before = t.bench.target.dump();
    const auto report = run_change(t.bench.host, intent);
    REQUIRE(report);
    CHECK(t.bench.target.get("a/x") == 2);
    t.undone(report->data->at("operation").get<std::string>());
    CHECK(t.bench.target.dump() == before);
}

TEST_CASE("undo restores an override with the end it had, and never an expired one", "[undo]")
{
    Undo t;
    t.bench.target.expiring = true;
    t.bench.host.options.revert_after = std::chrono::hours(2);
    t.change("providers/openai/weight", 50);
    t.bench.host.options.revert_after.reset();
    const auto overridden = t.bench.target.dump();
    const auto id = t.change("providers/openai/weight", 10);

    t.bench.clock.advance(std::chrono::hours(1));
    const auto undo = t.undone(id);
    CHECK(t.bench.target.dump() == overridden); // the end included
    t.undone(undo);
    CHECK(t.bench.target.get("providers/openai/weight") == 10);

    t.bench.clock.advance(std::chrono::hours(2));
    t.undone(id);
    CHECK(t.bench.target.get("providers/openai/weight").is_null());
}

TEST_CASE("undo of an override that has ended by itself has nothing to do", "[undo]")
{
    Undo t;
    t.bench.target.expiring = true;
    t.bench.host.options.revert_after = std::chrono::hours(2);
    const auto id = t.change("providers/openai/enabled", false);
    t.bench.host.options.revert_after.reset();
    t.bench.clock.advance(std::chrono::hours(3));
    CHECK(t.undone(id).empty());
}

TEST_CASE("undo asks the guards, and can be rehearsed", "[undo]")
{
    Undo t;
    t.bench.target.set("providers/openai/enabled", false);
    const auto id = t.change("providers/openai/enabled", true);
    t.bench.host.options.dry_run = true;
    const auto rehearsal = t.undo(id);
    REQUIRE(rehearsal);
    CHECK(rehearsal->data->at("dry_run") == true);
    CHECK(t.bench.target.get("providers/openai/enabled") == true);
    t.bench.host.options.dry_run = false;
    t.bench.host.guards.min_healthy_providers = 3;
    CHECK(t.undo(id).error().kind == ErrorKind::refused);
    CHECK(t.bench.target.get("providers/openai/enabled") == true);
}

TEST_CASE("what cannot be undone says why", "[undo]")
{
    Undo t;
    auto intent = t.bench.intent("a/x", 1);
    intent.undo = UndoKind::none;
    intent.steps[0].reversible = false;
    intent.steps[0].undo = "a purged queue is gone";
    const auto report = run_change(t.bench.host, intent);
    REQUIRE(report);
    CHECK(report->data->at("undo").is_null());
    const auto undone = t.undo(report->data->at("operation").get<std::string>());
    REQUIRE_FALSE(undone);
    CHECK(undone.error().kind == ErrorKind::refused);
    CHECK(undone.error().message.find("a purged queue is gone") != std::string::npos);
    CHECK(t.undo("01NOSUCH").error().kind == ErrorKind::not_found);
}

TEST_CASE("undo and resume keep to the operation's context, whose guards they ask", "[undo]")
{
    Undo t;
    const auto id = t.change("a/x", 1);
    t.bench.host.context = "staging";
    CHECK(t.undo(id).error().kind == ErrorKind::usage);
    CHECK(t.undo(id).error().hint == "Name its context: -C prod.");
    CHECK(run_resume(t.bench.host, t.bench.finder, id).error().kind == ErrorKind::usage);
}

TEST_CASE("a secret that moved is told without being shown", "[undo]")
{
    Undo t;
    auto intent = t.bench.intent("keys/openai", "sk-planted-1");
    intent.steps[0].fields[0].secret = true;
    const auto report = run_change(t.bench.host, intent);
    REQUIRE(report);
    t.bench.target.set("keys/openai", "sk-planted-2");
    const auto undone = t.undo(report->data->at("operation").get<std::string>());
    REQUIRE_FALSE(undone);
    CHECK(undone.error().kind == ErrorKind::stale);
    CHECK(undone.error().message.find("planted") == std::string::npos);
}
