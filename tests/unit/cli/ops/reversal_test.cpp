// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/fakes/child.hpp"
#include "tests/support/fakes/ops_bench.hpp"

#include <nlohmann/json.hpp>
#include <sys/stat.h>

using namespace conduit;
using namespace conduit::ops;
using conduit::test::Fault;
using conduit::test::OpsBench;

namespace {

struct Timed {
    TempDir dir = *TempDir::make();
    OpsBench bench{dir.path()};
    std::string id;

    Timed()
    {
        bench.target.set("workloads/agent/replicas", 3);
        REQUIRE(bench.reversals.beat());
        bench.host.options.revert_after = std::chrono::hours(2);
        const auto report =
            run_change(bench.host, bench.intent("workloads/agent/replicas", 5, "workload/agent"));
        if (!report)
            FAIL(report.error().message);
        id = report->data->at("operation").get<std::string>();
        CHECK(report->data->at("until") == "2026-11-22T16:04:00.000Z");
        bench.host.options.revert_after.reset();
    }
    Served serve()
    {
        auto served = serve_reversals_once(bench.host, bench.reversals, bench.finder);
        REQUIRE(served);
        return *served;
    }
    Json replicas() { return bench.target.get("workloads/agent/replicas"); }
};

} // namespace

TEST_CASE("a change for a while is taken back when its time is over", "[reversal]")
{
    Timed t;
    CHECK(t.bench.reversals.list()->size() == 1);
    struct stat info{};
    REQUIRE(::stat((t.dir.path() / "reversals" / (t.id + ".reversal")).c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0600U);
    auto served = t.serve();
    CHECK(served.outcomes.empty());
    CHECK(served.next == *parse_time("2026-11-22T16:04:00Z"));
    CHECK(t.replicas() == 5);
    t.bench.clock.advance(std::chrono::hours(2));
    served = t.serve();
    REQUIRE(served.outcomes.size() == 1);
    CHECK(served.outcomes[0].verdict == ErrorKind::ok);
    CHECK(t.replicas() == 3);
    CHECK(t.bench.reversals.list()->empty());
    const auto newest = t.bench.journal.operations({})->front();
    CHECK(newest.first().operator_name == "reversal of maria");
    CHECK(newest.plan()->undoes == t.id);
}

TEST_CASE("a reversal that finds its fields changed does nothing and stays as stale", "[reversal]")
{
    Timed t;
    t.bench.target.set("workloads/agent/replicas", 8, "jonas");
    t.bench.clock.advance(std::chrono::hours(3));
    REQUIRE(t.serve().outcomes.size() == 1);
    CHECK(t.replicas() == 8);
    const auto left = t.bench.reversals.list();
    REQUIRE(left->size() == 1);
    CHECK(left->front().state == "stale");
    CHECK(left->front().message.find("jonas") != std::string::npos);
    CHECK(t.serve().outcomes.empty()); // not again
}

TEST_CASE("a reversal that cannot reach its target is tried again", "[reversal]")
{
    Timed t;
    t.bench.clock.advance(std::chrono::hours(3));
    t.bench.target.no_reads = true;
    CHECK(t.serve().outcomes[0].verdict == ErrorKind::unreachable);
    t.bench.target.no_reads = false;
    CHECK(t.serve().outcomes[0].verdict == ErrorKind::ok);
    CHECK(t.replicas() == 3);
}

TEST_CASE("undoing by hand takes the reversal away", "[reversal]")
{
    Timed t;
    REQUIRE(run_undo(t.bench.host, t.bench.finder, t.id));
    CHECK(t.bench.reversals.list()->empty());
    CHECK(t.replicas() == 3);
}

TEST_CASE("a change that failed leaves no reversal behind", "[reversal]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    REQUIRE(bench.reversals.beat());
    bench.host.options.revert_after = std::chrono::hours(2);
    bench.target.fault = [](const StepKey&) { return Fault::unreachable; };
    CHECK_FALSE(run_change(bench.host, bench.intent("a/x", 1)));
    CHECK(bench.reversals.list()->empty());
    bench.target.fault = {};
    bench.target.verdict = [](const Step& step) -> Result<> {
        if (!step.fields.front().after->is_null())
            return fail(ErrorKind::failed, "no");
        return {};
    };
    CHECK(run_change(bench.host, bench.intent("a/x", 1)).error().kind == ErrorKind::rolled_back);
    CHECK(bench.reversals.list()->empty());
}

TEST_CASE("where nobody serves reversals, for is refused with what to type later", "[reversal]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    bench.host.options.revert_after = std::chrono::hours(2);
    auto report = run_change(bench.host, bench.intent("a/x", 1));
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::refused);
    CHECK(report.error().hint.find("conduitctl undo") != std::string::npos);
    CHECK(bench.target.applied == 0);
    REQUIRE(bench.reversals.beat());
    bench.clock.advance(std::chrono::minutes(10)); // the server has died since
    CHECK(run_change(bench.host, bench.intent("a/x", 1)).error().kind == ErrorKind::refused);
    bench.target.expiring = true; // ends it by itself: needs nobody
    report = run_change(bench.host, bench.intent("a/x", 1));
    REQUIRE(report);
    CHECK(bench.reversals.list()->empty());
    bench.clock.advance(std::chrono::hours(2));
    CHECK(bench.target.get("a/x").is_null());
}

TEST_CASE("a damaged reversal is listed, and stops no other", "[reversal]")
{
    Timed t;
    REQUIRE(write_file(t.dir.path() / "reversals" / "01BAD.reversal", "{\"operation\": 3"));
    CHECK(t.bench.reversals.list()->size() == 2);
    t.bench.clock.advance(std::chrono::hours(2));
    CHECK(t.serve().outcomes.size() == 1);
    CHECK(t.replicas() == 3);
    CHECK(t.bench.reversals.list()->front().state == "damaged");
}

TEST_CASE("an undone undo gives the change its end back, and never after that end", "[reversal]")
{
    Timed t;
    const auto undo = run_undo(t.bench.host, t.bench.finder, t.id);
    REQUIRE(undo);
    const auto undo_id = undo->data->at("operation").get<std::string>();
    t.bench.clock.advance(std::chrono::hours(1));
    REQUIRE(t.bench.reversals.beat());
    const auto again = run_undo(t.bench.host, t.bench.finder, undo_id);
    REQUIRE(again);
    CHECK(t.replicas() == 5);
    CHECK(again->data->at("until") == "2026-11-22T16:04:00.000Z");
    t.bench.clock.advance(std::chrono::hours(1));
    CHECK(t.serve().outcomes.size() == 1);
    CHECK(t.replicas() == 3);
    const auto late = run_undo(t.bench.host, t.bench.finder, undo_id);
    REQUIRE(late);
    CHECK(late->data->at("changed") == false);
    CHECK(t.replicas() == 3);
}

TEST_CASE("a change killed before its reversal was recorded gets it when it is resumed", "[reversal]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    REQUIRE(bench.reversals.beat());
    const int status = conduit::test::run_in_child([&] {
        OpsBench child(dir->path());
        conduit::test::KillAt crash{std::string(k_after_begin), 1};
        child.host.crash = &crash;
        child.host.options.revert_after = std::chrono::hours(2);
        return run_change(child.host, child.intent("a/x", 1)) ? 0 : 1;
    });
    REQUIRE(WIFSIGNALED(status));
    CHECK(bench.reversals.list()->empty());
    const auto id = bench.journal.operations({})->front().id;
    REQUIRE(run_resume(bench.host, bench.finder, id));
    REQUIRE(bench.reversals.list()->size() == 1);
    bench.clock.advance(std::chrono::hours(2));
    REQUIRE(serve_reversals_once(bench.host, bench.reversals, bench.finder));
    CHECK(bench.target.get("a/x").is_null());
}

TEST_CASE("a change whose end has passed is not resumed", "[reversal]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    bench.target.expiring = true;
    bench.host.options.revert_after = std::chrono::hours(2);
    bench.target.fault = [](const StepKey&) { return Fault::lost_request; };
    const auto report = run_change(bench.host, bench.intent("a/x", 1));
    REQUIRE_FALSE(report);
    bench.target.fault = {};
    bench.host.options.revert_after.reset();
    bench.clock.advance(std::chrono::hours(3));
    const auto resumed = run_resume(bench.host, bench.finder, report.error().details.at("operation"));
    REQUIRE_FALSE(resumed);
    CHECK(resumed.error().kind == ErrorKind::stale);
    CHECK(bench.target.get("a/x").is_null());
}

TEST_CASE("for nothing, or for less, is a mistake of usage", "[reversal]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    bench.host.options.revert_after = Duration{0};
    CHECK(run_change(bench.host, bench.intent("a/x", 1)).error().kind == ErrorKind::usage);
}

TEST_CASE("undoing a later change leaves the earlier one's end to its own reversal", "[reversal]")
{
    Timed t;
    const auto later =
        run_change(t.bench.host, t.bench.intent("workloads/agent/replicas", 8, "workload/agent"));
    REQUIRE(later);
    REQUIRE(run_undo(t.bench.host, t.bench.finder, later->data->at("operation").get<std::string>()));
    CHECK(t.replicas() == 5);
    CHECK(t.bench.reversals.list()->size() == 1);
    t.bench.clock.advance(std::chrono::hours(2));
    CHECK(t.serve().outcomes.size() == 1);
    CHECK(t.replicas() == 3);
    CHECK(t.bench.reversals.list()->empty());
}
