// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cli/ops/change_record.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::ops;
using conduit::test::Fault;
using conduit::test::OpsBench;

TEST_CASE("a failure before anything was sent keeps its own exit code", "[ops]")
{
    struct Expected {
        Fault fault;
        ErrorKind kind;
    };
    for (const auto [fault, kind] : {Expected{Fault::unreachable, ErrorKind::unreachable},
                                     Expected{Fault::refused, ErrorKind::refused}}) {
        const auto dir = TempDir::make();
        OpsBench bench(dir->path());
        const auto before = bench.target.dump();
        bench.target.fault = [injected = fault](const StepKey&) { return injected; };
        const auto report = run_change(bench.host, bench.intent("providers/openai/enabled", false));
        REQUIRE_FALSE(report);
        CHECK(report.error().kind == kind);
        CHECK(bench.target.dump() == before);
        const auto record = bench.journal.operation(report.error().details.at("operation"));
        CHECK_FALSE(record->unfinished());
        CHECK(record->verdict() == kind_name(kind));
        CHECK(bench.locks.list()->empty());
    }
}

TEST_CASE("a target that cannot be read fails before anything is recorded", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    bench.target.no_reads = true;
    const auto report = run_change(bench.host, bench.intent("providers/openai/enabled", false));
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::unreachable);
    CHECK(bench.journal.operations({})->empty());
}

TEST_CASE("a lost reply is looked up by its key before anything is said", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    bench.target.fault = [](const StepKey&) { return Fault::lost_reply; };
    const auto report = run_change(bench.host, bench.intent("providers/openai/enabled", false));
    REQUIRE(report);
    CHECK(report->verdict == ErrorKind::ok);
    CHECK(bench.target.applied == 1);
}

TEST_CASE("a lost request ends as unknown, and resume finishes it", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    bench.target.fault = [](const StepKey&) { return Fault::lost_request; };
    const auto report = run_change(bench.host, bench.intent("providers/openai/enabled", false));
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::unknown);
    const auto id = report.error().details.at("operation");
    CHECK(report.error().hint.find("conduitctl resume " + id) != std::string::npos);
    bench.target.fault = {};
    const auto resumed = run_resume(bench.host, bench.finder, id);
    REQUIRE(resumed);
    CHECK(bench.target.get("providers/openai/enabled") == false);
    CHECK(bench.journal.operation(id)->verdict() == "ok");
}

TEST_CASE("a step that fails has the steps before it taken back", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    bench.target.set("providers/google/weight", 20);
    const auto before = bench.target.dump();
    auto intent = bench.intent("providers/openai/enabled", false);
    intent.steps.push_back(OpsBench::step("providers/google/weight", 90, "provider/google"));
    for (const auto fault : {Fault::unreachable, Fault::refused}) {
        bench.target.fault = [fault](const StepKey& key) {
            return key.n == 2 && !key.compensation ? fault : Fault::none;
        };
        const auto report = run_change(bench.host, intent);
        REQUIRE_FALSE(report);
        CHECK(report.error().kind == ErrorKind::rolled_back);
        CHECK(bench.target.dump() == before);
        CHECK(phases(bench, report.error().details.at("operation")) ==
              std::vector{Phase::begin, Phase::step_start, Phase::step_done, Phase::step_start,
                          Phase::compensate, Phase::compensated, Phase::end});
    }
    bench.target.fault = [](const StepKey& key) {
        return key.n == 2 && !key.compensation ? Fault::refused : Fault::none;
    };
    intent.rollback = false;
    const auto report = run_change(bench.host, intent);
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::partial);
    CHECK(report.error().message.find("what stands: provider/openai (enabled - → false)") !=
          std::string::npos);
    bench.target.fault = {};
    REQUIRE(run_undo(bench.host, bench.finder, report.error().details.at("operation")));
    CHECK(bench.target.dump() == before);
}

TEST_CASE("a step that is half done is taken back too", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    const auto before = bench.target.dump();
    auto intent = bench.intent("providers/openai/enabled", false);
    intent.steps[0].fields.push_back({"providers/openai/weight", {}, Json(5), {}, {}, false});
    bench.target.fault = [](const StepKey& key) { return key.compensation ? Fault::none : Fault::half_done; };
    const auto report = run_change(bench.host, intent);
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::rolled_back);
    CHECK(bench.target.dump() == before);
}

TEST_CASE("what cannot be taken back stands, and is said to", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    auto intent = bench.intent("providers/openai/enabled", false);
    intent.steps.push_back(OpsBench::step("providers/google/weight", 90, "provider/google"));
    bench.target.fault = [](const StepKey& key) {
        return key.n == 2 || key.compensation ? Fault::unreachable : Fault::none;
    };
    const auto report = run_change(bench.host, intent);
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::partial);
    const auto id = report.error().details.at("operation");
    CHECK(bench.target.get("providers/openai/enabled") == false);
    bench.target.fault = {};
    const auto resumed = run_resume(bench.host, bench.finder, id); // finishes the taking back
    REQUIRE_FALSE(resumed);
    CHECK(resumed.error().kind == ErrorKind::rolled_back);
    CHECK(bench.target.get("providers/openai/enabled").is_null());
}

TEST_CASE("an effect that never comes is taken back, one not seen in time is unverified", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    bench.target.verdict = [](const Step& step) -> Result<> {
        if (*step.fields.front().after == false)
            return fail(ErrorKind::failed, "replica 2 crashed");
        return {};
    };
    auto report = run_change(bench.host, bench.intent("providers/openai/enabled", false));
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::rolled_back);
    CHECK(report.error().message == "replica 2 crashed; everything was taken back");
    CHECK(bench.target.get("providers/openai/enabled").is_null());

    bench.target.verdict = [](const Step&) -> Result<> {
        return fail(ErrorKind::unverified, "4 of 5 replicas at revision 1");
    };
    report = run_change(bench.host, bench.intent("providers/openai/enabled", false));
    REQUIRE(report);
    CHECK(report->verdict == ErrorKind::unverified);
    CHECK(report->data->at("verified") == false);
    CHECK(report->data->at("message").get<std::string>().find("4 of 5") != std::string::npos);
    CHECK(bench.target.get("providers/openai/enabled") == false);
    bench.target.verdict = {};
    const auto resumed = run_resume(bench.host, bench.finder, operation(*report));
    REQUIRE(resumed);
    CHECK(resumed->verdict == ErrorKind::ok);
    CHECK(bench.target.applied == 3); // change, taking back, change; resume only looked
}

TEST_CASE("a journal that cannot be written stops a change before it begins", "[ops]")
{
    const auto dir = TempDir::make();
    REQUIRE(write_file(dir->path() / "journal", "a file where the folder should be"));
    OpsBench bench(dir->path());
    const auto report = run_change(bench.host, bench.intent("providers/openai/enabled", false));
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::failed);
    CHECK(report.error().message.find("the journal cannot be written") != std::string::npos);
    CHECK(bench.target.applied == 0);
    CHECK(bench.locks.list()->empty());
}

TEST_CASE("Ctrl-C before anything is 130, between steps it is partial and says what stands", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    bench.cancel.request();
    auto intent = bench.intent("providers/openai/enabled", false);
    CHECK(run_change(bench.host, intent).error().kind == ErrorKind::interrupted);
    CHECK(bench.target.applied == 0);
    bench.cancel.clear();
    intent.steps.push_back(OpsBench::step("providers/google/weight", 90, "provider/google"));
    bench.target.fault = [&](const StepKey&) {
        bench.cancel.request();
        return Fault::none;
    };
    const auto report = run_change(bench.host, intent);
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::partial);
    CHECK(report.error().message.find("provider/openai") != std::string::npos);
    CHECK(bench.target.applied == 1);
    bench.cancel.clear();
    REQUIRE(run_resume(bench.host, bench.finder, report.error().details.at("operation")));
    CHECK(bench.target.get("providers/google/weight") == 90);
}

TEST_CASE("Ctrl-C while its effect is awaited leaves a change that resume can look at", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    bench.target.verdict = [](const Step&) -> Result<> {
        return fail(ErrorKind::interrupted, "interrupted");
    };
    const auto report = run_change(bench.host, bench.intent("providers/openai/enabled", false));
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::partial);
    bench.target.verdict = {};
    CHECK(run_resume(bench.host, bench.finder, report.error().details.at("operation"))->verdict ==
          ErrorKind::ok);
}

TEST_CASE("a lost lock stops a change before its next step", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    auto intent = bench.intent("providers/openai/enabled", false);
    intent.steps.push_back(OpsBench::step("providers/google/weight", 90, "provider/google"));
    bench.target.fault = [&](const StepKey& key) {
        if (key.n == 1)
            fs::remove_all(dir->path() / "locks");
        return Fault::none;
    };
    const auto report = run_change(bench.host, intent);
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::partial);
    CHECK(bench.target.applied == 1);
}

TEST_CASE("a journal that breaks off in the middle leaves a change that says what stands", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    auto intent = bench.intent("providers/openai/enabled", false);
    intent.steps.push_back(OpsBench::step("providers/google/weight", 90, "provider/google"));
    bench.target.fault = [&](const StepKey&) {
        fs::rename(dir->path() / "journal", dir->path() / "away");
        REQUIRE(write_file(dir->path() / "journal", "no folder"));
        return Fault::none;
    };
    const auto report = run_change(bench.host, intent);
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::partial);
    CHECK(report.error().message.find("the journal cannot be written") != std::string::npos);
    CHECK(report.error().message.find("what stands: provider/openai") != std::string::npos);
    CHECK(bench.target.applied == 1);
    fs::remove(dir->path() / "journal");
    fs::rename(dir->path() / "away", dir->path() / "journal");
    bench.target.fault = {};
    REQUIRE(run_resume(bench.host, bench.finder, report.error().details.at("operation")));
    CHECK(bench.target.get("providers/google/weight") == 90);
    CHECK(bench.target.applied == 2);
}
