// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/lease_store.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_cluster.hpp"
#include "tests/support/wait.hpp"

#include <atomic>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thread>

using namespace conduit;
using namespace conduit::test;

namespace {

const ops::LockKey k_key{"cluster 1 namespace audio", "providers"};

ops::LockOwner owner(const std::string& name)
{
    return {.operator_name = name, .host = "laptop", .pid = 7, .reason = "incident 12", .operation = "01OP"};
}

struct Fixture {
    FakeCluster cluster;
    kube::Api api{cluster.transport(), system_clock()};
    kube::Api other_api{cluster.transport(), system_clock()};
    LeaseStore store{api, "audio", 3s};
    LeaseStore other{other_api, "audio", 3s};

    // Every write of this client fails from now on, as on a laptop whose network went away.
    std::atomic<bool> cut{false};
    void cut_writes()
    {
        cluster.before = [this](const kube::Call& call) -> std::optional<Result<kube::Answer>> {
            if (cut && call.method == "PUT")
                return Result<kube::Answer>(Error{ErrorKind::unreachable, "no network"});
            return std::nullopt;
        };
    }
};

} // namespace

TEST_CASE_METHOD(Fixture, "one holds it, another is told who, why and until when")
{
    auto held = store.acquire(k_key, owner("maria"));
    REQUIRE(held);
    CHECK((*held)->fence() == 1);
    CHECK((*held)->still_held(1s));
    const auto second = other.acquire(k_key, owner("bob"));
    REQUIRE_FALSE(second);
    CHECK(second.error().kind == ErrorKind::locked);
    const auto said = second.error().message + second.error().cause;
    CHECK(said.contains("maria"));
    CHECK(said.contains("incident 12"));
    CHECK(other.acquire({k_key.target, "workload/agent"}, owner("bob")));
    held->reset();
    const auto third = other.acquire(k_key, owner("bob"));
    REQUIRE(third);
    CHECK((*third)->fence() == 2);
}

TEST_CASE_METHOD(Fixture, "clocks that are hours apart do not matter")
{
    cluster.clock_ahead = GENERATE(-3h, 3h);
    const auto held = store.acquire(k_key, owner("maria"));
    REQUIRE(held);
    CHECK(other.acquire(k_key, owner("bob")).error().kind == ErrorKind::locked);
    CHECK(other.list()->size() == 1);
}

TEST_CASE_METHOD(Fixture, "it is renewed while it is held")
{
    const auto held = store.acquire(k_key, owner("maria"));
    REQUIRE(held);
    const auto path = "/apis/coordination.k8s.io/v1/namespaces/audio/leases";
    const auto renewed = [&] {
        return (*other_api.get(path, Deadline(1s)).value())["items"][0]["spec"]["renewTime"];
    };
    const auto first = renewed();
    CHECK(eventually([&] { return renewed() != first; }));
    CHECK((*held)->still_held(1s));
    CHECK(other.acquire(k_key, owner("bob")).error().kind == ErrorKind::locked);
}

TEST_CASE_METHOD(Fixture, "a holder that cannot renew loses it when its time is over, and knows")
{
    cut_writes();
    const auto held = store.acquire(k_key, owner("maria"));
    REQUIRE(held);
    cut = true;
    CHECK(other.acquire(k_key, owner("bob")).error().kind == ErrorKind::locked);
    CHECK(eventually([&] { return other.list()->empty(); }));
    const auto lost = (*held)->still_held(1s);
    REQUIRE_FALSE(lost);
    CHECK(lost.error().kind == ErrorKind::locked);
    cut = false;
    CHECK_FALSE((*held)->still_held(1s)); // lost for good, though nobody has it yet
    const auto next = other.acquire(k_key, owner("bob"));
    INFO((next ? "" : next.error().message));
    REQUIRE(next);
    CHECK((*next)->fence() == 2);
    CHECK_FALSE((*held)->still_held(1s)); // it sees that it is bob's now
    CHECK((*next)->still_held(1s));
}

TEST_CASE_METHOD(Fixture, "what is stolen is lost to its holder")
{
    const auto held = store.acquire(k_key, owner("maria"));
    REQUIRE(held);
    CHECK(other.steal(k_key).value());
    CHECK_FALSE(other.steal(k_key).value());
    const auto next = other.acquire(k_key, owner("bob"));
    REQUIRE(next);
    CHECK((*next)->fence() == 2);
    const auto lost = (*held)->still_held(3s); // renews, and sees
    REQUIRE_FALSE(lost);
    CHECK(lost.error().kind == ErrorKind::locked);
    CHECK((*next)->still_held(1s));
}

TEST_CASE_METHOD(Fixture, "a note that somebody writes on the lease does not lose it")
{
    const auto held = store.acquire(k_key, owner("maria"));
    REQUIRE(held);
    const auto path = "/apis/coordination.k8s.io/v1/namespaces/audio/leases";
    const auto leases = other_api.get(path, Deadline(1s)).value();
    const auto name = (*leases)["items"][0]["metadata"]["name"].get<std::string>();
    REQUIRE(other_api.patch(fmt::format("{}/{}", path, name), kube::PatchType::merge,
                            Json{{"metadata", {{"annotations", {{"note", "hello"}}}}}}, {}, Deadline(1s)));
    CHECK((*held)->still_held(3s));
}

TEST_CASE_METHOD(Fixture, "of many at once exactly one gets it")
{
    std::atomic<int> got{0}, locked{0};
    std::atomic<bool> go{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([&, i] {
            kube::Api mine(cluster.transport(), system_clock());
            LeaseStore leases(mine, "audio", 3s);
            while (!go)
                std::this_thread::yield();
            const auto held = leases.acquire(k_key, owner(fmt::format("op-{}", i)));
            (held ? got : locked) += 1;
            while (held && got + locked < 8)
                std::this_thread::yield();
        });
    go = true;
    for (auto& thread : threads)
        thread.join();
    CHECK(got == 1);
    CHECK(locked == 7);
}

TEST_CASE_METHOD(Fixture, "held ones are listed with their owners, and all that ever were are known")
{
    auto held = store.acquire(k_key, owner("maria"));
    REQUIRE(held);
    const auto all = other.list();
    REQUIRE(all);
    REQUIRE(all->size() == 1);
    CHECK(all->at(0).key.scope == "providers");
    CHECK(all->at(0).owner.operator_name == "maria");
    CHECK(all->at(0).owner.reason == "incident 12");
    CHECK(all->at(0).owner.pid == 7);
    CHECK(all->at(0).owner.until > system_clock().now());
    held->reset();
    CHECK(other.list()->empty());
    CHECK(other.known()->size() == 1);
}
