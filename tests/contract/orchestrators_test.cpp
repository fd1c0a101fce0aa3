// SPDX-License-Identifier: Apache-2.0
// What the commands rely on, held against the fake orchestrator and against real processes: one body, two
// worlds.
#include "cli/orchestrator/local/orchestrator.hpp"
#include "tests/integration/local/folder.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_orchestrator.hpp"

#include <algorithm>
#include <set>

using namespace conduit;
using conduit::test::FakeOrchestrator;
using conduit::test::Folder;

namespace {

Deadline soon()
{
    return Deadline(20s);
}

// Two replicas and a simulator that are ready.
struct World {
    explicit World(const std::string& kind)
    {
        if (kind == "local") {
            folder = std::make_unique<Folder>();
            folder->up(2);
            made = local::make_orchestrator(folder->dir);
        } else {
            made = std::make_unique<FakeOrchestrator>();
        }
    }
    Workload agent() { return made->workloads(soon()).value().at(0); }
    std::vector<std::string> names(std::string_view workload)
    {
        std::vector<std::string> out;
        for (const auto& instance : made->instances(workload, soon()).value())
            out.push_back(instance.name);
        std::ranges::sort(out);
        return out;
    }
    std::set<std::string> refs(std::string_view workload)
    {
        std::set<std::string> out;
        for (const auto& instance : made->instances(workload, soon()).value())
            out.insert(instance.ref);
        return out;
    }
    std::unique_ptr<Folder> folder;
    std::unique_ptr<Orchestrator> made;
};

using Names = std::vector<std::string>;

} // namespace

TEST_CASE("workloads say how many are wanted and ready, and what can be scaled")
{
    World w(GENERATE("fake", "local"));
    const auto all = w.made->workloads(soon()).value();
    REQUIRE(all.size() == 2);
    CHECK(all[0].name == "agent");
    CHECK(all[0].wanted == 2);
    CHECK(all[0].ready == 2);
    CHECK(all[0].running == 2);
    CHECK(all[0].scalable);
    CHECK(all[1].name == "sim");
    CHECK_FALSE(all[1].scalable);
    CHECK(w.made->kind() == "local");
    CHECK_FALSE(w.made->identity(soon()).value().empty());
}

TEST_CASE("instances are told by workload, each with a reference of its own")
{
    World w(GENERATE("fake", "local"));
    CHECK(w.names("agent") == Names{"agent-1", "agent-2"});
    CHECK(w.names("sim") == Names{"sim"});
    CHECK(w.names("") == Names{"agent-1", "agent-2", "sim"});
    CHECK(w.refs("").size() == 3);
    for (const auto& instance : w.made->instances("agent", soon()).value()) {
        CHECK(instance.workload == "agent");
        CHECK(instance.state == InstanceState::ready);
        CHECK(instance.ready);
    }
    const auto unknown = w.made->instances("agnet", soon());
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().kind == ErrorKind::not_found);
    CHECK(unknown.error().message.contains("agent"));
}

TEST_CASE("a scale is sent once, seen, found by its key, and its repetition changes nothing")
{
    World w(GENERATE("fake", "local"));
    int sent = 0;
    const ScaleRequest request{
        .workload = "agent", .replicas = 3, .expected = 2, .key = "OP/1", .on_sent = [&] { ++sent; }};
    CHECK_FALSE(w.made->find_change("OP/1", soon()).value());
    const auto scaled = w.made->scale(request, {}, soon());
    REQUIRE(scaled);
    CHECK(scaled->changed);
    CHECK(scaled->finished);
    CHECK(sent == 1);
    CHECK(w.agent().wanted == 3);
    CHECK(w.agent().ready == 3);
    CHECK(w.names("agent") == Names{"agent-1", "agent-2", "agent-3"});
    const auto found = w.made->find_change("OP/1", soon()).value();
    REQUIRE(found);
    CHECK(found->changed);
    const auto before = w.refs("agent");
    const auto again = w.made->scale(request, {}, soon()); // expected no longer holds: the key comes first
    REQUIRE(again);
    CHECK(again->changed); // as the first time
    CHECK(w.refs("agent") == before);
    CHECK_FALSE(w.made->find_change("OP/2", soon()).value());
}

TEST_CASE("scaling to what is wanted changes nothing, and down ends the last")
{
    World w(GENERATE("fake", "local"));
    const auto same = w.made->scale({.workload = "agent", .replicas = 2, .key = "A/1"}, {}, soon());
    REQUIRE(same);
    CHECK_FALSE(same->changed);
    const auto down = w.made->scale({.workload = "agent", .replicas = 1, .key = "B/1"}, {}, soon());
    REQUIRE(down);
    CHECK(down->changed);
    CHECK(w.names("agent") == Names{"agent-1"});
    CHECK(w.agent().running == 1);
}

TEST_CASE("a scale that expects another number is stale and writes nothing")
{
    World w(GENERATE("fake", "local"));
    const auto r =
        w.made->scale({.workload = "agent", .replicas = 3, .expected = 5, .key = "A/1"}, {}, soon());
    REQUIRE_FALSE(r);
    CHECK(r.error().kind == ErrorKind::stale);
    CHECK(w.agent().wanted == 2);
    CHECK_FALSE(w.made->find_change("A/1", soon()).value());
}

TEST_CASE("what cannot be scaled or is not there is refused by name")
{
    World w(GENERATE("fake", "local"));
    const auto sim = w.made->scale({.workload = "sim", .replicas = 2, .key = "A/1"}, {}, soon());
    REQUIRE_FALSE(sim);
    CHECK(sim.error().kind == ErrorKind::usage);
    const auto unknown = w.made->scale({.workload = "agnet", .replicas = 2, .key = "A/2"}, {}, soon());
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().kind == ErrorKind::not_found);
    const auto instance =
        w.made->restart({.workload = "agent", .instances = {"agent-9"}, .key = "A/3"}, {}, soon());
    REQUIRE_FALSE(instance);
    CHECK(instance.error().kind == ErrorKind::not_found);
    CHECK_FALSE(w.made->find_change("A/3", soon()).value());
}

TEST_CASE("a restart replaces every instance, keeps the number, and happens once a key")
{
    World w(GENERATE("fake", "local"));
    const auto before = w.refs("agent");
    const RestartRequest request{.workload = "agent", .key = "R/1"};
    const auto done = w.made->restart(request, {}, soon());
    REQUIRE(done);
    CHECK(done->changed);
    CHECK(done->finished);
    CHECK(done->error.empty());
    CHECK(done->started.size() == 2);
    const auto after = w.refs("agent");
    CHECK(after.size() == 2);
    for (const auto& ref : after)
        CHECK_FALSE(before.contains(ref));
    CHECK(w.agent().wanted == 2);
    CHECK(w.agent().ready == 2);
    const auto again = w.made->restart(request, {}, soon());
    REQUIRE(again);
    CHECK(again->changed); // as the first time
    CHECK(w.refs("agent") == after);
    REQUIRE(w.made->find_change("R/1", soon()).value());
}

TEST_CASE("a restart of one instance leaves the others alone")
{
    World w(GENERATE("fake", "local"));
    const auto before = w.made->instances("agent", soon()).value();
    const auto done =
        w.made->restart({.workload = "agent", .instances = {"agent-1"}, .key = "R/1"}, {}, soon());
    REQUIRE(done);
    CHECK(done->started.size() == 1);
    const auto after = w.refs("agent");
    CHECK_FALSE(after.contains(before.at(0).ref));
    CHECK(after.contains(before.at(1).ref));
}

TEST_CASE("usage is told for each instance, and logs of an unknown one are not found")
{
    World w(GENERATE("fake", "local"));
    const auto usage = w.made->top("agent", 20ms, soon());
    REQUIRE(usage);
    REQUIRE(usage->size() == 2);
    CHECK(usage->at(0).instance == "agent-1");
    CHECK(usage->at(0).workload == "agent");
    const Cancel cancel;
    std::vector<std::string> from;
    const auto keep = [&](const LogLine& line) {
        from.push_back(line.instance);
        return true;
    };
    REQUIRE(w.made->logs({.instances = {"agent-1"}}, keep, cancel, soon()));
    CHECK_FALSE(from.empty());
    CHECK(std::ranges::count(from, "agent-1") == std::ssize(from));
    const auto unknown = w.made->logs({.instances = {"agent-9"}}, keep, cancel, soon());
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().kind == ErrorKind::not_found);
}
