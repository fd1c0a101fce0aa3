// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cli/ops/change_record.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::ops;
using conduit::test::Fault;
using conduit::test::OpsBench;

TEST_CASE("a change is written, seen and recorded in this order", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    const auto report = run_change(bench.host, bench.intent("providers/openai/enabled", false));
    REQUIRE(report);
    CHECK(report->verdict == ErrorKind::ok);
    CHECK(bench.target.get("providers/openai/enabled") == false);
    const auto& data = *report->data;
    CHECK(data["changed"] == true);
    CHECK(data["verified"] == true);
    CHECK(data["verdict"] == "ok");
    CHECK(data["undo"] == "conduitctl undo " + operation(*report));
    CHECK(data["changes"][0]["before"]["providers/openai/enabled"] == nullptr);
    CHECK(data["changes"][0]["after"]["providers/openai/enabled"] == false);
    CHECK(phases(bench, operation(*report)) ==
          std::vector{Phase::begin, Phase::step_start, Phase::step_done, Phase::verify, Phase::end});
    CHECK(bench.locks.list()->empty());
    CHECK(bench.screen.find("✓ written          revision 1") != std::string::npos);
}

TEST_CASE("what already is so needs no lock and no record", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    bench.target.set("providers/openai/enabled", false);
    const auto report = run_change(bench.host, bench.intent("providers/openai/enabled", false));
    REQUIRE(report);
    CHECK(report->verdict == ErrorKind::ok);
    CHECK(report->data->at("changed") == false);
    CHECK(bench.target.applied == 0);
    CHECK_FALSE(fs::exists(dir->path() / "locks"));
    CHECK(bench.journal.operations({})->empty());
}

TEST_CASE("without waiting a change ends unverified", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    bench.host.options.no_wait = true;
    const auto report = run_change(bench.host, bench.intent("providers/openai/enabled", false));
    REQUIRE(report);
    CHECK(report->verdict == ErrorKind::unverified);
    CHECK(report->next.front() == "conduitctl resume " + operation(*report));
}

TEST_CASE("an effect that cannot be seen is accepted, and the JSON says so", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    auto intent = bench.intent("providers/openai/enabled", false);
    intent.steps[0].verifiable = false;
    const auto report = run_change(bench.host, intent);
    REQUIRE(report);
    CHECK(report->verdict == ErrorKind::ok);
    CHECK(report->data->at("verified") == false);
}

TEST_CASE("a field that moved while the question was open is stale; another one is not", "[ops]")
{
    for (const bool same : {true, false}) {
        const auto dir = TempDir::make();
        OpsBench bench(dir->path());
        bench.host.options.yes = false;
        bench.prompt.terminal = true;
        bench.prompt.while_asking = [&] {
            bench.target.set(same ? "providers/openai/weight" : "providers/google/weight", 55, "jonas, 01X");
        };
        const auto report = run_change(bench.host, bench.intent("providers/openai/weight", 5));
        CHECK(bench.prompt.asked == 1);
        CHECK(report.has_value() == !same);
        if (same) {
            CHECK(report.error().kind == ErrorKind::stale);
            CHECK(report.error().message == "the world changed since the plan was shown: "
                                            "providers/openai/weight is 55, not - (changed by jonas, 01X)");
            CHECK(bench.target.get("providers/openai/weight") == 55);
            CHECK(bench.journal.operations({})->front().verdict() == "stale");
        }
    }
}

TEST_CASE("a plan is shown before it is asked about, and a no changes nothing", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    bench.host.options.yes = false;
    bench.prompt.terminal = true;
    bench.prompt.answer = "n";
    const auto report = run_change(bench.host, bench.intent("providers/openai/enabled", false));
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::refused);
    CHECK(bench.target.applied == 0);
    CHECK(bench.screen == "Context  prod   You are  maria\n"
                          "Plan     1 change, moderate; undo: exact\n\n"
                          "  provider openai     enabled - → false\n\n");
    CHECK(bench.journal.operations({})->front().verdict() == "refused");
}

TEST_CASE("a refused guard is recorded, and force with a reason goes past it", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    bench.host.guards.min_healthy_providers = 3;
    auto report = run_change(bench.host, bench.intent("providers/openai/enabled", false));
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::refused);
    CHECK(bench.journal.operation(report.error().details.at("operation"))->verdict() == "refused");
    bench.host.options.force = true;
    CHECK(run_change(bench.host, bench.intent("providers/openai/enabled", false)).error().kind ==
          ErrorKind::usage);
    bench.host.options.reason = "it leaks audio";
    report = run_change(bench.host, bench.intent("providers/openai/enabled", false));
    REQUIRE(report);
    const auto record = bench.journal.operation(operation(*report));
    CHECK(record->first().extra->at("forced") == true);
    CHECK(record->first().reason == "it leaks audio");
}

TEST_CASE("check and dry-run change nothing and answer by exit code", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    const auto intent = bench.intent("providers/openai/enabled", false);
    bench.host.options.yes = false;
    bench.host.options.check = true;
    auto report = run_change(bench.host, intent);
    REQUIRE(report);
    CHECK(report->verdict == ErrorKind::ok);
    bench.host.guards.min_healthy_providers = 3;
    CHECK(run_change(bench.host, intent).error().kind == ErrorKind::refused);
    bench.host.guards = {};
    CHECK(bench.journal.operations({})->empty());

    bench.host.options.check = false;
    bench.host.options.dry_run = true;
    report = run_change(bench.host, intent);
    REQUIRE(report);
    CHECK(report->data->at("dry_run") == true);
    CHECK(report->data->at("server")[0]["says"] == "would write providers/openai/enabled");
    CHECK(bench.target.applied == 0);
    CHECK(bench.journal.operations({})->empty());
    HistoryQuery query;
    query.dry_runs = true;
    CHECK(bench.journal.operations(query)->size() == 1);
}

TEST_CASE("secrets are journalled as salted digests only", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    bench.target.set("keys/openai", "sk-old-planted");
    auto intent = bench.intent("keys/openai", "sk-new-planted");
    intent.steps[0].fields[0].secret = true;
    const auto report = run_change(bench.host, intent);
    REQUIRE(report);
    for (const auto& entry : fs::directory_iterator(dir->path() / "journal"))
        CHECK(read_file(entry.path())->find("planted") == std::string::npos);
    CHECK(dump_json(*report->data).find("planted") == std::string::npos);
    CHECK(bench.screen.find("planted") == std::string::npos);
    const auto undone = run_undo(bench.host, bench.finder, operation(*report));
    REQUIRE_FALSE(undone);
    CHECK(undone.error().kind == ErrorKind::refused);
    bench.host.options.plan_out = (dir->path() / "plan.json").string();
    intent.steps[0].fields[0].after = Json("sk-third-planted");
    CHECK(run_change(bench.host, intent).error().kind == ErrorKind::refused);
    CHECK_FALSE(fs::exists(dir->path() / "plan.json"));
}

TEST_CASE("too many operations at once on one target are refused", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench maria(dir->path(), "maria");
    OpsBench jonas(dir->path(), "jonas");
    jonas.host.guards.max_concurrent = 1;
    maria.target.verdict = [&](const Step&) -> Result<> {
        auto intent = jonas.intent("limits/emergency", true, "limits/emergency");
        intent.scope = "limits";
        const auto report = run_change(jonas.host, intent);
        CHECK(report.error().kind == ErrorKind::refused);
        CHECK(report.error().details.at("guard") == "max_concurrent");
        jonas.host.guards.max_concurrent = 2;
        CHECK(run_change(jonas.host, intent));
        return {};
    };
    REQUIRE(run_change(maria.host, maria.intent("providers/openai/enabled", false)));
}
