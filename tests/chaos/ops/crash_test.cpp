// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/fakes/child.hpp"
#include "tests/support/fakes/ops_bench.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::ops;
using conduit::test::KillAt;
using conduit::test::OpsBench;

namespace {

struct Moment {
    std::string_view point;
    int nth;
    bool failing; // the effect is not seen, so that the change is taken back
};

// Two steps, so that there is a first and a second of each moment. Sends three and four are of the
// compensation.
const std::vector<Moment> k_moments{
    {k_after_begin, 1, false}, {k_before_send, 1, false}, {k_sent, 1, false},
    {k_replied, 1, false},     {k_recorded, 1, false},    {k_before_send, 2, false},
    {k_sent, 2, false},        {k_replied, 2, false},     {k_recorded, 2, false},
    {k_verifying, 1, false},   {k_before_end, 1, false},  {k_compensating, 1, true},
    {k_sent, 3, true},         {k_compensated, 1, true},  {k_compensating, 2, true},
    {k_sent, 4, true},         {k_compensated, 2, true},
};

void prepare(OpsBench& bench)
{
    bench.target.set("providers/openai/weight", 70, "setup");
    bench.target.set("providers/google/weight", 20, "setup");
}

Intent two_steps(OpsBench& bench)
{
    auto intent = bench.intent("providers/openai/enabled", false);
    intent.steps.push_back(OpsBench::step("providers/google/weight", 90, "provider/google"));
    return intent;
}

int change_and_die(const fs::path& folder, const Moment& moment)
{
    return conduit::test::run_in_child([&] {
        OpsBench bench(folder);
        KillAt crash{std::string(moment.point), moment.nth};
        bench.host.crash = &crash;
        if (moment.failing)
            bench.target.verdict = [](const Step& step) -> Result<> {
                if (step.resource == "provider/google" && *step.fields.front().after == 90)
                    return fail(ErrorKind::failed, "google crashed");
                return {};
            };
        const auto report = run_change(bench.host, two_steps(bench));
        return report ? 0 : 1;
    });
}

fs::path copy_of(const fs::path& folder, const std::string& name)
{
    fs::copy(folder / "state", folder / name, fs::copy_options::recursive);
    return folder / name;
}

std::string only_unfinished(const OpsBench& bench)
{
    HistoryQuery query;
    query.unfinished_only = true;
    const auto records = bench.journal.operations(query);
    REQUIRE(records);
    REQUIRE(records->size() == 1);
    return records->front().id;
}

void check_sound(OpsBench& bench)
{
    const auto check = bench.journal.verify();
    REQUIRE(check);
    for (const auto& fault : check->faults)
        FAIL_CHECK(fault.file << ":" << fault.line << " " << fault.what);
    HistoryQuery query;
    query.unfinished_only = true;
    CHECK(bench.journal.operations(query)->empty());
    CHECK(bench.locks.list()->empty());
}

void resume_finishes(const fs::path& folder, const std::string& before, bool failing)
{
    OpsBench bench(folder, "jonas");
    const auto report = run_resume(bench.host, bench.finder, only_unfinished(bench));
    if (failing) {
        REQUIRE_FALSE(report);
        CHECK(report.error().kind == ErrorKind::rolled_back);
        CHECK(bench.target.dump() == before);
    } else {
        if (!report)
            FAIL(report.error().message);
        CHECK(report->verdict == ErrorKind::ok);
        CHECK(bench.target.get("providers/openai/enabled") == false);
        CHECK(bench.target.get("providers/google/weight") == 90);
        CHECK(bench.target.keys().size() == 2); // each step once, whatever was repeated
    }
    check_sound(bench);
}

void undo_returns(const fs::path& folder, const std::string& before)
{
    OpsBench bench(folder, "jonas");
    const auto report = run_undo(bench.host, bench.finder, only_unfinished(bench));
    if (!report)
        FAIL(report.error().message);
    CHECK(report->verdict == ErrorKind::ok);
    CHECK(bench.target.dump() == before);
    check_sound(bench);
}

} // namespace

TEST_CASE("a change killed at any moment can be finished, and can be taken back", "[ops]")
{
    for (const auto& moment : k_moments) {
        INFO(moment.point << " " << moment.nth << (moment.failing ? " of a failing change" : ""));
        const auto dir = TempDir::make();
        REQUIRE(dir);
        std::string before;
        {
            OpsBench bench(dir->path() / "state");
            prepare(bench);
            before = bench.target.dump();
        }
        const int status = change_and_die(dir->path() / "state", moment);
        REQUIRE(WIFSIGNALED(status));
        REQUIRE(WTERMSIG(status) == SIGKILL);
        const auto second = copy_of(dir->path(), "second");
        resume_finishes(dir->path() / "state", before, moment.failing);
        undo_returns(second, before);
    }
}

TEST_CASE("a change killed before it is recorded has changed nothing", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    prepare(bench);
    const auto before = bench.target.dump();
    const int status = change_and_die(dir->path(), {k_before_begin, 1, false});
    REQUIRE(WIFSIGNALED(status));
    CHECK(bench.target.dump() == before);
    check_sound(bench);
    REQUIRE(run_change(bench.host, two_steps(bench))); // its lock died with it
}

TEST_CASE("a change killed after its end is finished", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    prepare(bench);
    const auto before = bench.target.dump();
    const int status = change_and_die(dir->path(), {k_after_end, 1, false});
    REQUIRE(WIFSIGNALED(status));
    check_sound(bench);
    const auto records = bench.journal.operations({});
    REQUIRE(records->size() == 1);
    CHECK(records->front().verdict() == "ok");
    REQUIRE(run_undo(bench.host, bench.finder, records->front().id));
    CHECK(bench.target.dump() == before);
}

TEST_CASE("an undo killed at any moment can be finished, and can itself be undone", "[ops]")
{
    for (const auto point : {k_after_begin, k_before_send, k_sent, k_replied, k_recorded, k_verifying}) {
        INFO(point);
        const auto dir = TempDir::make();
        OpsBench bench(dir->path() / "state");
        prepare(bench);
        const auto before = bench.target.dump();
        REQUIRE(run_change(bench.host, two_steps(bench)));
        const auto changed = bench.target.dump();
        const auto id = bench.journal.operations({})->front().id;
        const int status = conduit::test::run_in_child([&] {
            OpsBench child(dir->path() / "state");
            KillAt crash{std::string(point), 1};
            child.host.crash = &crash;
            return run_undo(child.host, child.finder, id) ? 0 : 1;
        });
        REQUIRE(WIFSIGNALED(status));
        const auto second = copy_of(dir->path(), "second");
        OpsBench later(dir->path() / "state", "jonas");
        REQUIRE(run_resume(later.host, later.finder, only_unfinished(later)));
        CHECK(later.target.dump() == before);
        check_sound(later);
        undo_returns(second, changed);
    }
}
