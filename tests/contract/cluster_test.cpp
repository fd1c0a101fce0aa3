// SPDX-License-Identifier: Apache-2.0
// What we rely on in an API server, held against the fake one and, where CONDUIT_TEST_KUBECONFIG names it, a
// real one.
#include "cli/targets/lease_store.hpp"
#include "core/kube/watch.hpp"
#include "core/text.hpp"
#include "core/ulid.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_cluster.hpp"
#include "tests/support/wait.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thread>

using namespace conduit;
using namespace conduit::kube;
using namespace conduit::test;

namespace {

const Resource k_maps{.plural = "configmaps"};
const Resource k_spaces{.plural = "namespaces", .namespaced = false};

Deadline soon()
{
    return Deadline(20s);
}

std::vector<std::string> worlds()
{
    std::vector<std::string> all{"fake"};
    if (std::getenv("CONDUIT_TEST_KUBECONFIG") != nullptr)
        all.emplace_back("real");
    return all;
}

// A namespace of its own, so that tests do not see each other.
struct World {
    explicit World(const std::string& kind)
    {
        if (kind == "real") {
            const auto access = find_access({.only = std::getenv("CONDUIT_TEST_KUBECONFIG")}, "").value();
            api = std::make_unique<Api>(make_transport(access, make_credentials(access, system_clock())),
                                        system_clock());
            space = "contract-" + to_lower(make_ulid(system_clock().now()).substr(10));
            REQUIRE(
                api->create(resource_path(k_spaces, ""), Json{{"metadata", {{"name", space}}}}, {}, soon()));
        } else {
            api = std::make_unique<Api>(cluster.transport(), system_clock());
        }
        maps = resource_path(k_maps, space);
    }
    ~World()
    {
        if (space != "contract")
            (void)api->remove(resource_path(k_spaces, "", space), Json::object(), soon()).has_value();
    }
    Result<JsonBox> create(const std::string& name, const std::string& value = "one") const
    {
        return api->create(maps, Json{{"metadata", {{"name", name}}}, {"data", {{"key", value}}}}, {},
                           soon());
    }
    std::string value(const std::string& name) const
    {
        const auto read = api->get(maps + "/" + name, soon());
        return read ? (**read)["data"]["key"].get<std::string>() : "error: " + read.error().message;
    }
    FakeCluster cluster;
    std::unique_ptr<Api> api;
    std::string space = "contract";
    std::string maps;
};

#define CONDUIT_WORLD World w(GENERATE(from_range(worlds())))

} // namespace

TEST_CASE("an object is created once, read, and gone after its removal")
{
    CONDUIT_WORLD;
    CHECK(w.api->get(w.maps + "/a", soon()).error().kind == ErrorKind::not_found);
    const auto made = w.create("a");
    REQUIRE(made);
    CHECK_FALSE((**made)["metadata"]["resourceVersion"].get<std::string>().empty());
    CHECK_FALSE((**made)["metadata"]["uid"].get<std::string>().empty());
    CHECK(w.value("a") == "one");
    const auto again = w.create("a");
    REQUIRE_FALSE(again);
    CHECK(again.error().details.at("reason") == "AlreadyExists");
    REQUIRE(w.api->remove(w.maps + "/a", Json::object(), soon()));
    CHECK(w.api->get(w.maps + "/a", soon()).error().kind == ErrorKind::not_found);
    CHECK(w.api->remove(w.maps + "/a", Json::object(), soon()).error().kind == ErrorKind::not_found);
    CHECK(w.create("").error().kind == ErrorKind::failed);
}

TEST_CASE("what was written meanwhile is stale, by replacement and by patch")
{
    CONDUIT_WORLD;
    auto mine = *w.create("a").value();
    auto theirs = mine;
    theirs["data"]["key"] = "theirs";
    REQUIRE(w.api->replace(w.maps + "/a", theirs, {}, soon()));
    mine["data"]["key"] = "mine";
    CHECK(w.api->replace(w.maps + "/a", mine, {}, soon()).error().kind == ErrorKind::stale);
    const Json guarded{{"metadata", {{"resourceVersion", mine["metadata"]["resourceVersion"]}}},
                       {"data", {{"key", "mine"}}}};
    CHECK(w.api->patch(w.maps + "/a", PatchType::merge, guarded, {}, soon()).error().kind ==
          ErrorKind::stale);
    CHECK(w.value("a") == "theirs");
}

TEST_CASE("a merge patch changes what it names, and a dry run nothing")
{
    CONDUIT_WORLD;
    REQUIRE(w.create("a"));
    const Json patch{{"data", {{"key", "two"}, {"more", "x"}}}};
    const auto dry = w.api->patch(w.maps + "/a", PatchType::merge, patch, {.dry_run = true}, soon());
    REQUIRE(dry);
    CHECK((**dry)["data"]["key"] == "two");
    CHECK(w.value("a") == "one");
    REQUIRE(w.api->patch(w.maps + "/a", PatchType::merge, patch, {}, soon()));
    const auto removed =
        w.api->patch(w.maps + "/a", PatchType::merge, Json{{"data", {{"more", nullptr}}}}, {}, soon());
    REQUIRE(removed);
    CHECK((**removed)["data"] == Json{{"key", "two"}});
    CHECK(w.api->patch(w.maps + "/b", PatchType::merge, patch, {}, soon()).error().kind ==
          ErrorKind::not_found);
}

TEST_CASE("applying creates what is missing and says who manages it")
{
    CONDUIT_WORLD;
    const Json wanted{
        {"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", "a"}}}, {"data", {{"key", "v"}}}};
    REQUIRE(w.api->patch(w.maps + "/a", PatchType::apply, wanted, {.field_manager = "conduit-test"}, soon()));
    CHECK(w.value("a") == "v");
    auto next = wanted;
    next["data"]["key"] = "w";
    REQUIRE(w.api->patch(w.maps + "/a", PatchType::apply, next, {.field_manager = "conduit-test"}, soon()));
    CHECK(w.value("a") == "w");
}

TEST_CASE("a list has all, and a watch from its version tells what came after")
{
    CONDUIT_WORLD;
    REQUIRE(w.create("a"));
    REQUIRE(w.create("b"));
    std::string seen;
    std::thread writer;
    const auto done = watch(
        *w.api, w.maps, {.query = {}, .lost = {}},
        [&](const Event& event) {
            const auto name = event.object == nullptr
                                  ? std::string()
                                  : (*event.object)["metadata"]["name"].get<std::string>();
            if (name != "kube-root-ca.crt") // every real namespace has one
                seen += fmt::format("{}{} ", static_cast<int>(event.change), name);
            if (event.change == Change::whole)
                writer = std::thread([&] {
                    (void)w.create("c").has_value();
                    (void)w.api
                        ->patch(w.maps + "/a", PatchType::merge, Json{{"data", {{"key", "z"}}}}, {}, soon())
                        .has_value();
                    (void)w.api->remove(w.maps + "/b", Json::object(), soon()).has_value();
                });
            return event.change != Change::deleted;
        },
        soon());
    if (writer.joinable())
        writer.join();
    REQUIRE(done);
    const auto at = [](Change change, const std::string& name) {
        return fmt::format("{}{} ", static_cast<int>(change), name);
    };
    CHECK(seen == at(Change::listed, "a") + at(Change::listed, "b") + at(Change::whole, "") +
                      at(Change::added, "c") + at(Change::modified, "a") + at(Change::deleted, "b"));
}

TEST_CASE("a lease excludes, is renewed, and ends with its holder")
{
    CONDUIT_WORLD;
    LeaseStore leases(*w.api, w.space, 3s);
    const ops::LockKey key{"cluster", "providers"};
    auto held = leases.acquire(key, {.operator_name = "maria", .host = "h", .reason = "why"});
    REQUIRE(held);
    const auto second = leases.acquire(key, {.operator_name = "bob"});
    REQUIRE_FALSE(second);
    CHECK(second.error().kind == ErrorKind::locked);
    CHECK(second.error().message.contains("maria"));
    CHECK((*held)->still_held(3s)); // renews
    CHECK(leases.list()->size() == 1);
    held->reset();
    CHECK(leases.list()->empty());
    const auto third = leases.acquire(key, {.operator_name = "bob"});
    REQUIRE(third);
    CHECK((*third)->fence() == 2);
}

TEST_CASE("a lease that was taken away stops the next step of whoever held it")
{
    CONDUIT_WORLD;
    LeaseStore leases(*w.api, w.space, 30s);
    const ops::LockKey key{"cluster", "providers"};
    const auto held = leases.acquire(key, {.operator_name = "maria", .host = "h", .reason = "why"});
    REQUIRE(held);
    CHECK((*held)->still_held(1s));
    SECTION("by another operator")
    {
        REQUIRE(leases.steal(key).value());
        REQUIRE(leases.acquire(key, {.operator_name = "bob"}));
    }
    SECTION("by somebody who removed it")
    {
        const auto path = kube::resource_path({.group = "coordination.k8s.io", .plural = "leases"}, w.space);
        std::vector<std::string> names;
        REQUIRE(w.api->list(
            path, {}, [&](const Json& one) { names.push_back(one["metadata"]["name"].get<std::string>()); },
            [] {}, Deadline(20s)));
        REQUIRE(names.size() == 1);
        REQUIRE(w.api->remove(path + "/" + names.front(), Json::object(), Deadline(20s)));
    }
    const auto lost = (*held)->still_held(1s);
    REQUIRE_FALSE(lost);
    CHECK(lost.error().kind == ErrorKind::locked);
    CHECK(lost.error().message == "the lock on providers of cluster was lost");
}
