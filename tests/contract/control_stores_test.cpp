// SPDX-License-Identifier: Apache-2.0
// What the agent relies on in a control store, held against each: SQLite's file, the ConfigMap in the fake
// cluster and, where CONDUIT_TEST_KUBECONFIG names one, in a real one.
#include "agent/control/cluster/configmap_store.hpp"
#include "core/fs.hpp"
#include "core/text.hpp"
#include "core/ulid.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_clock.hpp"
#include "tests/support/fakes/fake_cluster.hpp"
#include "tests/support/wait.hpp"

#include <cstdlib>
#include <deque>
#include <fmt/format.h>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

using namespace conduit;
using namespace conduit::agent;

namespace {

const kube::Resource k_spaces{.plural = "namespaces", .namespaced = false};

std::vector<std::string> worlds()
{
    std::vector<std::string> all{"sqlite", "fake cluster"};
    if (std::getenv("CONDUIT_TEST_KUBECONFIG") != nullptr)
        all.emplace_back("real cluster");
    return all;
}

Deadline soon()
{
    return Deadline(20s);
}

struct World {
    explicit World(std::string of) : kind(std::move(of))
    {
        if (kind == "real cluster") {
            space = "stores-" + to_lower(make_ulid(system_clock().now()).substr(10));
            const auto made = api(cancels.emplace_back())
                                  ->create(kube::resource_path(k_spaces, ""),
                                           Json{{"metadata", {{"name", space}}}}, {}, soon());
            REQUIRE(made);
        }
        store = open();
    }
    ~World()
    {
        store.reset();
        Cancel none;
        if (kind == "real cluster")
            (void)api(none)
                ->remove(kube::resource_path(k_spaces, "", space), Json::object(), soon())
                .has_value();
    }
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    std::unique_ptr<kube::Api> api(Cancel& cancel)
    {
        if (kind != "real cluster")
            return std::make_unique<kube::Api>(cluster.transport(), system_clock(), &cancel);
        const auto access = kube::find_access({.only = std::getenv("CONDUIT_TEST_KUBECONFIG")}, "").value();
        return std::make_unique<kube::Api>(
            kube::make_transport(access, kube::make_credentials(access, system_clock()), &cancel),
            system_clock(), &cancel);
    }

    std::unique_ptr<ControlStore> open()
    {
        if (kind == "sqlite") {
            auto made = make_sqlite_store((dir.path() / "control.db").string(), clock);
            REQUIRE(made);
            return std::move(*made);
        }
        auto& cancel = cancels.emplace_back();
        auto made = make_configmap_store(api(cancel), cancel, {.name_space = space}, clock);
        REQUIRE(test::eventually([&] { return made->revision().has_value(); }));
        return made;
    }

    const std::string kind;
    std::string space = "stores";
    TempDir dir = *TempDir::make("store");
    test::FakeClock clock;
    test::FakeCluster cluster;
    std::deque<Cancel> cancels;
    std::unique_ptr<ControlStore> store;
};

// Each case has a world of its own, so that none sees another's state.
#define IN_EACH_WORLD                                                                                        \
    const auto kind = GENERATE(from_range(worlds()));                                                        \
    INFO(kind);                                                                                              \
    World world(kind);                                                                                       \
    auto& store = world.store;                                                                               \
    auto& clock = world.clock;                                                                               \
    static_cast<void>(clock)

StatePatch set(const std::string& path, Json value)
{
    StatePatch patch;
    patch.set[path] = std::move(value);
    patch.actor = "maria";
    patch.reason = "test";
    return patch;
}

} // namespace

TEST_CASE("a patch raises the revision by one and is seen by another opener of the file")
{
    IN_EACH_WORLD;
    CHECK(*store->revision() == 0);
    const auto state = store->apply(set("pool/reset_epoch", 1));
    REQUIRE(state);
    CHECK(state->revision == 1);
    const auto other = world.open();
    REQUIRE(test::eventually([&] { return other->revision().value_or(0) == 1; }));
    const auto loaded = other->load();
    REQUIRE(loaded);
    const auto& item = loaded->overrides.at("pool/reset_epoch");
    CHECK(*item.value == 1);
    CHECK(item.actor == "maria");
    CHECK(item.revision == 1);
    CHECK(item.set_at == clock.now());
}

TEST_CASE("a patch that changes nothing keeps the revision")
{
    IN_EACH_WORLD;
    REQUIRE(store->apply(set("a", 1)));
    CHECK(store->apply(set("a", 1))->revision == 1);
    StatePatch unset;
    unset.unset = {"not-there"};
    CHECK(store->apply(unset)->revision == 1);
}

TEST_CASE("an expectation that fails writes nothing and tells who changed it")
{
    IN_EACH_WORLD;
    REQUIRE(store->apply(set("a", 1)));
    auto patch = set("b", 2);
    patch.expect["a"] = Json(5);
    const auto result = store->apply(patch);
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == ErrorKind::stale);
    CHECK(result.error().details.at("path") == "a");
    CHECK(result.error().details.at("actor") == "maria");
    CHECK(result.error().details.at("found") == "1");
    CHECK(result.error().details.at("revision") == "1");
    CHECK(store->load()->overrides.size() == 1);
    patch.expect["a"] = Json(1);
    patch.expect["b"] = Json();
    CHECK(store->apply(patch));
    CHECK(store->apply(patch).error().details.at("path") == "b");
}

TEST_CASE("a patch for another revision is stale")
{
    IN_EACH_WORLD;
    REQUIRE(store->apply(set("a", 1)));
    auto patch = set("a", 2);
    patch.if_revision = 0;
    CHECK(store->apply(patch).error().kind == ErrorKind::stale);
    patch.if_revision = 1;
    CHECK(store->apply(patch)->revision == 2);
}

TEST_CASE("an operation that is repeated is carried out once")
{
    IN_EACH_WORLD;
    auto patch = set("a", 1);
    patch.operation = "01JD/1";
    patch.if_revision = 0;
    REQUIRE(store->apply(patch));
    const auto again = store->apply(patch); // its expectation no longer holds, and need not
    REQUIRE(again);
    CHECK(again->revision == 1);
    CHECK(store->history(10, "")->size() == 1);
    auto other = set("a", 3);
    other.operation = "01JD/1";
    CHECK(store->apply(other).error().kind == ErrorKind::usage);
}

TEST_CASE("an override expires on the store's clock, with history, and by itself in a later patch")
{
    IN_EACH_WORLD;
    auto patch = set("a", 1);
    patch.expires_in = Duration{60'000};
    patch.operation = "01JD/1";
    REQUIRE(store->apply(patch));
    REQUIRE(store->apply(set("b", 1)));
    clock.advance(Duration{59'999});
    CHECK(*store->expire_due() == 2);
    clock.advance(Duration{1});
    CHECK(*store->expire_due() == 3);
    CHECK(*store->expire_due() == 3);
    CHECK_FALSE(store->load()->overrides.contains("a"));
    const auto history = store->history(10, "01JD");
    REQUIRE(history);
    REQUIRE(history->size() == 2);
    CHECK((*history)[0].kind == "expire");
    CHECK((*(*history)[0].changes)[0]["before"] == 1);
    CHECK((*(*history)[0].changes)[0]["after"].is_null());
    patch.operation = "01JD/2";
    REQUIRE(store->apply(patch));
    clock.advance(Duration{60'000});
    auto late = set("c", 1);
    late.expect["a"] = Json();
    CHECK(store->apply(late));
}

TEST_CASE("a fence lower than one seen before is refused")
{
    IN_EACH_WORLD;
    auto patch = set("a", 1);
    patch.fence = 5;
    REQUIRE(store->apply(patch));
    patch = set("a", 2);
    patch.fence = 4;
    CHECK(store->apply(patch).error().kind == ErrorKind::refused);
    patch.fence = 5;
    CHECK(store->apply(patch));
}

TEST_CASE("replicas are those whose heartbeat is fresh")
{
    IN_EACH_WORLD;
    REQUIRE(store->heartbeat({"r1", "http://127.0.0.1:1", 11, 3, {}, "0.1.0"}));
    clock.advance(Duration{5'000});
    REQUIRE(store->heartbeat({"r2", "http://127.0.0.1:2", 12, 4, {}, "0.1.0"}));
    CHECK(store->replicas(Duration{10'000})->size() == 2);
    const auto fresh = store->replicas(Duration{3'000});
    REQUIRE(fresh);
    REQUIRE(fresh->size() == 1);
    CHECK(fresh->front().name == "r2");
    CHECK(fresh->front().applied_revision == 4);
}

TEST_CASE("a replica that said farewell counts no longer, its successor of the same name does")
{
    IN_EACH_WORLD;
    REQUIRE(store->heartbeat({"r1", "http://127.0.0.1:1", 11, 3, {}, "0.1.0"}));
    REQUIRE(store->farewell({"r1", "", 11, 0, {}, ""}));
    CHECK(store->replicas(Duration{10'000})->empty());
    REQUIRE(store->heartbeat({"r1", "http://127.0.0.1:1", 12, 3, {}, "0.1.0"}));
    REQUIRE(store->farewell({"r1", "", 11, 0, {}, ""})); // late words of the old process
    CHECK(store->replicas(Duration{10'000})->size() == 1);
}

TEST_CASE("the mirrored journal keeps its order and refuses what is not one line")
{
    IN_EACH_WORLD;
    REQUIRE(store->append_journal("{\"seq\":1}"));
    REQUIRE(store->append_journal("{\"seq\":2}"));
    CHECK(*store->journal(10) == std::vector<std::string>{"{\"seq\":1}", "{\"seq\":2}"});
    CHECK(*store->journal(1) == std::vector<std::string>{"{\"seq\":2}"});
    CHECK_FALSE(store->append_journal("a\nb"));
}

TEST_CASE("what one opener writes, another that is open sees")
{
    IN_EACH_WORLD;
    const auto other = world.open();
    for (std::uint64_t i = 1; i <= 5; ++i) {
        REQUIRE(store->apply(set("a", i)));
        REQUIRE(test::eventually([&] { return other->revision().value_or(0) == i; }));
        CHECK(*other->load()->overrides.at("a").value == i);
    }
}

TEST_CASE("writers at the same moment all come through, each with a revision of its own")
{
    IN_EACH_WORLD;
    std::vector<std::unique_ptr<ControlStore>> stores;
    for (int i = 0; i < 4; ++i)
        stores.push_back(world.open());
    std::mutex mutex;
    std::string faults;
    {
        std::vector<std::jthread> threads;
        for (auto& writer : stores)
            threads.emplace_back([&, one = writer.get()] {
                for (int n = 0; n < 5; ++n) {
                    const auto done = one->apply(set(fmt::format("{}/{}", fmt::ptr(one), n), n));
                    const std::lock_guard lock(mutex);
                    if (!done)
                        faults += done.error().message + "\n";
                }
            });
    }
    CHECK(faults == "");
    REQUIRE(test::eventually([&] { return store->revision().value_or(0) == 20; }));
    CHECK(store->load()->overrides.size() == 20);
    CHECK(store->history(100, "")->size() == 20);
}
