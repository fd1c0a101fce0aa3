// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/orchestrator.hpp"

#include "cli/targets/workloads.hpp"
#include "core/text.hpp"
#include "tests/integration/local/folder.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/ops_bench.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::ops;
using conduit::test::Folder;
using conduit::test::OpsBench;

namespace {

// The engine over real processes.
struct Bench {
    Folder folder;
    std::unique_ptr<Orchestrator> orchestrator = local::make_orchestrator(folder.dir);
    std::vector<std::string> probed;
    WorkloadTarget target{*orchestrator, "local", [this](const Instance& instance, Deadline) -> Result<> {
                              probed.push_back(instance.name);
                              if (test::get(test::port_of(instance.admin_url)) != instance.name)
                                  return fail(ErrorKind::unverified, "somebody else answers");
                              return {};
                          }};
    OpsBench ops{folder.temp.path() / "ops"};

    struct Finder final : TargetFinder {
        explicit Finder(Target& t) : only(t) {}
        Result<Target*> find(const std::string&, const std::string&) override { return &only; }
        Target& only;
    };
    Finder finder{target};
};

} // namespace

TEST_CASE("where nothing runs reads answer and changes are unreachable with the next step")
{
    const Folder folder;
    const auto orchestrator = local::make_orchestrator(folder.dir);
    CHECK(orchestrator->instances("", Deadline(5s))->empty());
    CHECK(orchestrator->workloads(Deadline(5s))->at(0).ready == 0);
    const auto scaled = orchestrator->scale({.workload = "agent", .replicas = 2}, {}, Deadline(5s));
    REQUIRE_FALSE(scaled);
    CHECK(scaled.error().kind == ErrorKind::unreachable);
    CHECK(scaled.error().hint == "Run `conduitctl local up` to start it.");
    CHECK(orchestrator->instances("agnet", Deadline(5s)).error().kind == ErrorKind::not_found);
}

TEST_CASE("instances, usage, logs and events tell what runs")
{
    const Folder folder;
    folder.up(2);
    const auto orchestrator = local::make_orchestrator(folder.dir);
    const auto agents = orchestrator->instances("agent", Deadline(5s));
    REQUIRE(agents);
    REQUIRE(agents->size() == 2);
    CHECK(agents->at(0).name == "agent-1");
    CHECK(agents->at(0).state == InstanceState::ready);
    CHECK(agents->at(0).started_at);
    CHECK(agents->at(0).revision.size() == 12);
    const auto usage = orchestrator->top("", 50ms, Deadline(5s));
    REQUIRE(usage);
    REQUIRE(usage->size() == 3);
    CHECK(usage->at(0).memory_bytes > 100'000);
    std::vector<std::string> lines;
    const Cancel cancel;
    REQUIRE(orchestrator->logs(
        {.instances = {"agent-2"}},
        [&](const LogLine& line) {
            lines.push_back(line.text);
            return true;
        },
        cancel, Deadline(5s)));
    CHECK(lines == std::vector<std::string>{"agent-2 begins"});
    const auto events = orchestrator->events(Deadline(5s));
    REQUIRE(events);
    CHECK(events->size() >= 6); // three started, three ready
}

TEST_CASE("a scale through the engine is seen to be true, recorded, and undone")
{
    Bench bench;
    bench.folder.up(1);
    const auto report = run_change(bench.ops.host, scale_intent(bench.target, "agent", 3));
    REQUIRE(report);
    CHECK(report->verdict == ErrorKind::ok);
    CHECK(report->data->at("verified") == true);
    CHECK(bench.folder.status()["replicas"] == Json{{"wanted", 3}, {"ready", 3}});
    CHECK(bench.probed == std::vector<std::string>{"agent-1", "agent-2", "agent-3"});
    const auto again = run_change(bench.ops.host, scale_intent(bench.target, "agent", 3));
    REQUIRE(again);
    CHECK(again->data->at("changed") == false);
    REQUIRE(run_undo(bench.ops.host, bench.finder, report->data->at("operation").get<std::string>()));
    CHECK(bench.folder.status()["replicas"] == Json{{"wanted", 1}, {"ready", 1}});
}

TEST_CASE("a guard on the number of replicas stops a scale before anything is written")
{
    Bench bench;
    bench.folder.up(2);
    bench.ops.host.guards.max_replicas = 3;
    const auto report = run_change(bench.ops.host, scale_intent(bench.target, "agent", 4));
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::refused);
    CHECK(bench.folder.status()["replicas"]["wanted"] == 2);
}

TEST_CASE("a scale onto replicas that cannot live fails and is taken back")
{
    Bench bench;
    bench.folder.up(1);
    REQUIRE(write_file(bench.folder.layout.run() / "agent-2.die", ""));
    const auto report = run_change(bench.ops.host, scale_intent(bench.target, "agent", 2));
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::rolled_back);
    CHECK(bench.folder.status()["replicas"]["wanted"] == 1);
}

TEST_CASE("a restart through the engine replaces every process and answers once it is over")
{
    Bench bench;
    bench.folder.up(2);
    const auto before = bench.folder.pids();
    const auto report = run_change(bench.ops.host, restart_intent(bench.target, "agent", {}));
    REQUIRE(report);
    CHECK(report->verdict == ErrorKind::ok);
    for (const auto& [name, pid] : before)
        CHECK(process_alive(pid) == (name == "sim"));
    CHECK(bench.folder.status()["replicas"] == Json{{"wanted", 2}, {"ready", 2}});
}

TEST_CASE("an unknown workload or instance is not found, with the nearest named")
{
    Bench bench;
    bench.folder.up(1);
    const auto scaled = run_change(bench.ops.host, scale_intent(bench.target, "agnet", 2));
    REQUIRE_FALSE(scaled);
    CHECK(scaled.error().kind == ErrorKind::not_found);
    CHECK(scaled.error().message.find("agent") != std::string::npos);
    const auto restarted = run_change(bench.ops.host, restart_intent(bench.target, "agent", {"agent-9"}));
    REQUIRE_FALSE(restarted);
    CHECK(restarted.error().message.find("agent-9") != std::string::npos);
}

TEST_CASE("what is called every second may itself ask the supervisor")
{
    const Folder folder;
    folder.up(2);
    REQUIRE(write_file(folder.layout.run() / "scale-to-one", ""));
    const Deadline deadline(10s);
    while (fs::exists(folder.layout.run() / "scale-to-one") && !deadline.passed())
        std::this_thread::sleep_for(20ms);
    const auto status = folder.status();
    CHECK(status["replicas"] == Json{{"wanted", 1}, {"ready", 1}});
    // And what it started and left is reaped: only the agent and the simulator are children.
    const auto pid = status["supervisor_pid"].get<pid_t>();
    const auto children = [&] {
        std::size_t count = 0;
        for (const auto& task : fs::directory_iterator(fmt::format("/proc/{}/task", pid)))
            count += split(trim(read_file(task.path() / "children").value_or("")), ' ').size();
        return count;
    };
    while (children() != 2 && !deadline.passed())
        std::this_thread::sleep_for(20ms);
    CHECK(children() == 2);
}
