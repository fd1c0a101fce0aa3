// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/postgres_restart.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_database.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::test;

namespace {

// A workload that says that it was restarted, whatever became of the server.
class Workload final : public ops::Target {
  public:
    std::string kind() const override { return "kubernetes"; }
    std::string identity() const override { return "fake"; }
    std::string name() const override { return "fake"; }
    Result<ops::FieldMap> observe(std::span<const std::string>, Deadline) override { return ops::FieldMap{}; }
    Result<ops::Applied> apply(const ops::WriteContext&, const ops::Step&) override
    {
        restart();
        return ops::Applied{.observed = "restarted", .data = Json{{"revision", 7}}};
    }
    Result<std::optional<ops::Applied>> find(const ops::StepKey&, const ops::Step&, Deadline) override
    {
        return std::optional<ops::Applied>{};
    }
    Result<> verify(const ops::Step&, const ops::Applied& applied, Deadline, ops::Progress&) override
    {
        CHECK((*applied.data)["revision"] == 7); // its own word comes back to it
        return {};
    }
    std::function<void()> restart = [] {};
};

struct Bench {
    Result<> run(Duration limit)
    {
        ops::PostgresRestartTarget target(database, workload, system_clock(), nullptr);
        ops::WriteContext context{.key = {}, .deadline = Deadline(limit)};
        TRY_ASSIGN(const auto applied, target.apply(context, {}));
        ops::NullProgress progress;
        return target.verify({}, applied, Deadline(limit), progress);
    }
    FakeDatabase database;
    Workload workload;
};

} // namespace

TEST_CASE("a restart begins with a checkpoint and ends when the server says that it began anew")
{
    Bench bench;
    bench.workload.restart = [&] {
        CHECK(std::ranges::count(bench.database.asked, "checkpoint") == 1);
        bench.database.started_anew = true;
    };
    CHECK(bench.run(5s).has_value());
}

TEST_CASE("a server that runs on, or does not answer, was not restarted whatever the workload says")
{
    Bench bench;
    auto done = bench.run(200ms);
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().kind == ErrorKind::unverified);
    CHECK(done.error().message.contains("not started anew"));
    bench.workload.restart = [&] {
        bench.database.faults["started"] = {ErrorKind::unreachable, "nobody listens"};
    };
    done = bench.run(200ms);
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().message.contains("nobody listens"));
}

TEST_CASE("without a checkpoint nothing is restarted")
{
    Bench bench;
    bench.database.faults["checkpoint"] = {ErrorKind::auth, "must be superuser"};
    bench.workload.restart = [] { FAIL("it was restarted"); };
    CHECK(bench.run(1s).error().kind == ErrorKind::auth);
}
