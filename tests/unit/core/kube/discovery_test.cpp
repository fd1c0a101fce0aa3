// SPDX-License-Identifier: Apache-2.0
#include "core/kube/discovery.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_transport.hpp"
#include "tests/support/fakes/manual_clock.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::kube;
using namespace conduit::test;

namespace {

const Deadline k_soon(20s);

constexpr auto k_core = R"({"kind":"APIVersions","versions":["v1"]})";
constexpr auto k_groups = R"({"kind":"APIGroupList","groups":[
    {"name":"autoscaling","versions":[{"groupVersion":"autoscaling/v1"},{"groupVersion":"autoscaling/v2beta2"}]},
    {"name":"policy","versions":[{"groupVersion":"policy/v1"},{"groupVersion":"policy/v1beta1"}]}]})";
constexpr auto k_pods = R"({"kind":"APIResourceList","groupVersion":"v1","resources":[
    {"name":"pods","namespaced":true,"kind":"Pod"},
    {"name":"pods/eviction","namespaced":true,"group":"policy","version":"v1beta1","kind":"Eviction"},
    {"name":"nodes","namespaced":false,"kind":"Node"}]})";
constexpr auto k_scalers = R"({"kind":"APIResourceList","groupVersion":"autoscaling/v2beta2","resources":[
    {"name":"horizontalpodautoscalers","namespaced":true,"kind":"HorizontalPodAutoscaler"}]})";
constexpr auto k_aggregated_core = R"({"kind":"APIGroupDiscoveryList","items":[{"metadata":{},"versions":[
    {"version":"v1","freshness":"Current","resources":[{"resource":"pods","scope":"Namespaced",
     "responseKind":{"group":"","version":"v1","kind":"Pod"},
     "subresources":[{"subresource":"eviction","responseKind":{"group":"policy","version":"v1","kind":"Eviction"}}]}]}]}]})";
constexpr auto k_aggregated = R"({"kind":"APIGroupDiscoveryList","items":[
    {"metadata":{"name":"autoscaling"},"versions":[
      {"version":"v2","freshness":"Current","resources":[{"resource":"horizontalpodautoscalers",
       "scope":"Namespaced","responseKind":{"group":"","version":"","kind":"HorizontalPodAutoscaler"}}]},
      {"version":"v1","freshness":"Stale","resources":[]}]}]})";

struct Fixture {
    std::unique_ptr<FakeTransport> owned = std::make_unique<FakeTransport>();
    FakeTransport& server = *owned;
    ManualClock clock;
    Api api{std::move(owned), clock};
    TempDir temp = TempDir::make("conduit-discovery").value();

    void old_server()
    {
        server.reply(200, k_core);
        server.reply(200, k_groups);
    }
};

} // namespace

TEST_CASE_METHOD(Fixture, "the newest version that serves the resource is preferred")
{
    old_server();
    server.reply(200, k_scalers);
    Discovery discovery(api);
    const auto found = discovery.prefer(k_autoscaling, "horizontalpodautoscalers", k_soon);
    REQUIRE(found);
    CHECK(resource_path(*found, "audio", "x") ==
          "/apis/autoscaling/v2beta2/namespaces/audio/horizontalpodautoscalers/x");
    CHECK(server.calls.at(1).accept.contains("APIGroupDiscoveryList"));
    CHECK(server.calls.size() == 3);
    CHECK(discovery.prefer(k_autoscaling, "horizontalpodautoscalers", k_soon));
    CHECK(server.calls.size() == 3); // it is known
    const auto none = discovery.prefer(k_endpoint_slices, "endpointslices", k_soon);
    REQUIRE_FALSE(none);
    CHECK(none.error().kind == ErrorKind::not_found);
    CHECK(none.error().message.contains("discovery.k8s.io/v1, discovery.k8s.io/v1beta1"));
}

TEST_CASE_METHOD(Fixture, "a subresource has the version of its own kind, whatever its group serves")
{
    old_server();
    server.reply(200, k_pods);
    Discovery discovery(api);
    const auto eviction = discovery.find("v1", "pods/eviction", k_soon).value();
    REQUIRE(eviction);
    CHECK(eviction->version == "v1beta1"); // though policy/v1 is served
    CHECK(eviction->group == "policy");
    CHECK_FALSE(discovery.find("v1", "nodes", k_soon).value()->namespaced);
    CHECK_FALSE(discovery.find("v1", "ponds", k_soon).value());
}

TEST_CASE_METHOD(Fixture, "a server that tells everything at once is asked twice")
{
    server.reply(200, k_aggregated_core);
    server.reply(200, k_aggregated);
    Discovery discovery(api);
    CHECK(discovery.prefer(k_autoscaling, "horizontalpodautoscalers", k_soon)->version == "v2");
    CHECK(discovery.find("v1", "pods/eviction", k_soon).value()->version == "v1");
    CHECK(server.calls.size() == 2);
}

TEST_CASE_METHOD(Fixture, "what was learnt is kept for a while, and what is missing in it is asked for anew")
{
    old_server();
    server.reply(200, k_scalers);
    CHECK(Discovery(api, temp.path()).prefer(k_autoscaling, "horizontalpodautoscalers", k_soon));
    CHECK(Discovery(api, temp.path()).prefer(k_autoscaling, "horizontalpodautoscalers", k_soon)->version ==
          "v2beta2");
    CHECK(server.calls.size() == 3);
    old_server(); // a definition was installed meanwhile
    CHECK_FALSE(Discovery(api, temp.path()).find("argoproj.io/v1alpha1", "rollouts", k_soon).value());
    CHECK(server.calls.size() == 5);
    clock.advance(Duration{601'000});
    old_server();
    server.reply(200, k_scalers);
    CHECK(Discovery(api, temp.path()).prefer(k_autoscaling, "horizontalpodautoscalers", k_soon));
    CHECK(server.calls.size() == 8);
}

TEST_CASE_METHOD(Fixture, "a kept file that is damaged, and answers of nonsense, are no harm")
{
    for (
        const std::string text :
        {"", "{", "[]", R"({"server":"https://api.test","since":"now","versions":7})",
         R"({"server":"https://api.test","since":"2026-11-22T14:00:00.000Z","versions":[1],"resources":[]})"}) {
        old_server();
        server.reply(200, k_pods);
        {
            Discovery first(api, temp.path());
            CHECK(first.find("v1", "pods", k_soon).value());
        }
        for (const auto& entry : fs::directory_iterator(temp.path()))
            REQUIRE(write_file(entry.path(), text));
        const auto before = server.calls.size();
        old_server();
        server.reply(200, k_pods);
        CHECK(Discovery(api, temp.path()).find("v1", "pods", k_soon).value());
        CHECK(server.calls.size() == before + 3);
        fs::remove_all(temp.path());
    }
    for (const std::string body :
         {R"({"kind":"APIGroupDiscoveryList","items":[{"versions":[{"resources":[7]}]}]})",
          R"({"groups":[7,{"versions":{}}],"versions":[{}]})", "[]"}) {
        server.reply(200, body);
        server.reply(200, body);
        CHECK_FALSE(Discovery(api).find("apps/v1", "deployments", k_soon).value());
    }
    server.reply(200, "not json");
    CHECK_FALSE(Discovery(api).find("apps/v1", "deployments", k_soon));
    server.fail_with(ErrorKind::unreachable);
    CHECK(Discovery(api).find("apps/v1", "deployments", k_soon).error().kind == ErrorKind::unreachable);
}
