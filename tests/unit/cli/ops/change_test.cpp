// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/fakes/ops_bench.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::ops;
using conduit::test::Fault;
using conduit::test::OpsBench;

namespace {

std::vector<Phase> phases(const OpsBench& bench, const std::string& id)
{
    std::vector<Phase> out;
    const auto record = bench.journal.operation(id);
    REQUIRE(record);
    for (const auto& entry : record->entries)
        out.push_back(entry.phase);
    return out;
}

std::string operation(const Report& report)
{
    return report.data->at("operation").get<std::string>();
}

} // namespace

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
