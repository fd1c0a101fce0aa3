// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/fakes/child.hpp"
#include "tests/support/fakes/ops_bench.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::ops;
using conduit::test::Fault;
using conduit::test::OpsBench;

namespace {

struct Cut {
    TempDir dir = *TempDir::make();
    OpsBench bench{dir.path()};
    std::string id;

    explicit Cut(std::string_view point, int nth, const std::string& action = {})
    {
        conduit::test::run_in_child([&] {
            OpsBench child(dir.path());
            conduit::test::KillAt crash{std::string(point), nth};
            child.host.crash = &crash;
            auto intent = child.intent("a/x", 1);
            intent.steps.push_back(OpsBench::step("a/y", 2));
            intent.steps[1].action = action;
            if (!action.empty())
                intent.steps[1].fields.clear();
            return run_change(child.host, intent) ? 0 : 1;
        });
        const auto records = bench.journal.operations({});
        REQUIRE(records->size() == 1);
        REQUIRE(records->front().unfinished());
        id = records->front().id;
    }
    Result<Report> resume() { return run_resume(bench.host, bench.finder, id); }
};

} // namespace

TEST_CASE("resume verifies a finished step instead of trusting it", "[resume]")
{
    Cut cut(k_recorded, 1);
    int looked = 0;
    cut.bench.target.verdict = [&](const Step&) -> Result<> {
        ++looked;
        return {};
    };
    REQUIRE(cut.resume());
    CHECK(looked == 2);
    CHECK(cut.bench.target.applied == 1); // the second step only
}

TEST_CASE("resume stops when a finished step was changed by somebody else", "[resume]")
{
    Cut cut(k_recorded, 1);
    cut.bench.target.set("a/x", 9, "jonas");
    const auto report = cut.resume();
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::stale);
    CHECK(report.error().details.at("by") == "jonas");
    CHECK(cut.bench.target.applied == 0);
}

TEST_CASE("resume stops when a step still to do was overtaken", "[resume]")
{
    Cut cut(k_recorded, 1);
    cut.bench.target.set("a/y", 9);
    CHECK(cut.resume().error().kind == ErrorKind::stale);
    CHECK(cut.bench.target.get("a/y") == 9);
}

TEST_CASE("a step that can carry no key is never repeated", "[resume]")
{
    Cut cut(k_sent, 2, "unkeyed");
    const auto report = cut.resume();
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::unknown);
    CHECK(report.error().hint.find("conduitctl history show") != std::string::npos);
    CHECK(cut.bench.target.applied == 0);
}

TEST_CASE("a step of an action that carries its key is done once", "[resume]")
{
    for (const auto point : {k_before_send, k_sent}) {
        Cut cut(point, 2, "count");
        REQUIRE(cut.resume());
        const auto state = *parse_json(*read_file(cut.dir.path() / "target.json"));
        CHECK(state["counted"] == 1);
    }
}

TEST_CASE("resume of what is finished, or never began, says so", "[resume]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    const auto report = run_change(bench.host, bench.intent("a/x", 1));
    REQUIRE(report);
    const auto again = run_resume(bench.host, bench.finder, report->data->at("operation").get<std::string>());
    REQUIRE(again);
    CHECK(again->data->at("changed") == false);
    bench.target.fault = [](const StepKey&) { return Fault::unreachable; };
    const auto failed = run_change(bench.host, bench.intent("a/x", 2));
    const auto none = run_resume(bench.host, bench.finder, failed.error().details.at("operation"));
    REQUIRE_FALSE(none);
    CHECK(none.error().kind == ErrorKind::usage);
    CHECK(run_resume(bench.host, bench.finder, "01NONE").error().kind == ErrorKind::not_found);
}

TEST_CASE("resume asks the guards about what is still to do", "[resume]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    bench.target.fault = [](const StepKey&) { return Fault::lost_request; };
    const auto report = run_change(bench.host, bench.intent("providers/openai/enabled", false));
    bench.target.fault = {};
    bench.host.guards.min_healthy_providers = 3;
    CHECK(run_resume(bench.host, bench.finder, report.error().details.at("operation")).error().kind ==
          ErrorKind::refused);
}
