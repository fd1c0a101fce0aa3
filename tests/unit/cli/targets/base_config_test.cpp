// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/base_config.hpp"

#include "cli/orchestrator/kubernetes/settings.hpp"
#include "cli/targets/config_file.hpp"
#include "core/kube/api.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_cluster.hpp"
#include "tests/support/test_clock.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::test;

namespace {

constexpr auto k_map = "/api/v1/namespaces/production/configmaps/conduit-config";
constexpr auto k_deployment = "/apis/apps/v1/namespaces/production/deployments/agent";
constexpr auto k_config = "# the router\nproviders:\n  openai: {enabled: true, weight: 70} # most of it\n";

Deadline soon()
{
    return Deadline(Duration{5'000});
}

Json deployment(const Json& mount)
{
    return {{"metadata", {{"name", "agent"}}},
            {"spec",
             {{"template",
               {{"spec",
                 {{"containers", {{{"name", "agent"}, {"volumeMounts", {mount}}}}},
                  {"volumes", {{{"name", "config"}, {"configMap", {{"name", "conduit-config"}}}}}}}}}}}}};
}

struct World {
    FakeCluster cluster;
    std::unique_ptr<ServiceSettings> settings;

    explicit World(const Json& mount)
    {
        cluster.put(k_map,
                    {{"metadata", {{"name", "conduit-config"}}}, {"data", {{"agent.yaml", k_config}}}});
        cluster.put(k_deployment, deployment(mount));
        settings = kubernetes::make_settings(std::make_shared<kube::Api>(cluster.transport(), system_clock()),
                                             "production", "fake", "salt");
    }
    std::string text() const { return cluster.at(k_map)["data"]["agent.yaml"]; }
};

const Json k_whole{{"name", "config"}, {"mountPath", "/etc/conduit"}};

ops::Step disabling(bool before, bool after)
{
    ops::Step step;
    step.fields.push_back(
        {.path = "file/providers/openai/enabled", .before = Json(before), .after = Json(after)});
    return step;
}

ops::WriteContext writing(const std::string& operation)
{
    return {.key = {operation, 1, false}, .operator_name = "maria", .deadline = soon()};
}

} // namespace

TEST_CASE("the ConfigMap is found by the file that the replicas read")
{
    World w(k_whole);
    const auto found = find_mounted_config(*w.settings, "agent", "/etc/conduit/agent.yaml", soon());
    REQUIRE(found);
    CHECK(found->map == "conduit-config");
    CHECK(found->key == "agent.yaml");
    const auto other = find_mounted_config(*w.settings, "agent", "/etc/other/agent.yaml", soon());
    REQUIRE_FALSE(other);
    CHECK(other.error().kind == ErrorKind::refused);
    CHECK_FALSE(find_mounted_config(*w.settings, "cache", "/etc/conduit/agent.yaml", soon()));
}

TEST_CASE("a file that a running replica never reads again is refused, with the reason")
{
    World w({{"name", "config"}, {"mountPath", "/etc/conduit/agent.yaml"}, {"subPath", "agent.yaml"}});
    const auto found = find_mounted_config(*w.settings, "agent", "/etc/conduit/agent.yaml", soon());
    REQUIRE_FALSE(found);
    CHECK(found.error().kind == ErrorKind::refused);
    CHECK(found.error().message.find("subPath") != std::string::npos);
}

TEST_CASE("a value is changed where it stands in the ConfigMap, once, and comments stay")
{
    World w(k_whole);
    const ConfigFile file(make_config_in_map(*w.settings, "conduit-config", "agent.yaml"));
    const auto step = disabling(true, false);
    REQUIRE(file.apply(writing("01A"), step));
    CHECK(w.text() == "# the router\nproviders:\n  openai: {enabled: false, weight: 70} # most of it\n");
    CHECK(file.find({"01A", 1, false}, step, soon()).value().has_value());
    CHECK_FALSE(file.find({"01B", 1, false}, step, soon()).value().has_value());
    const auto writes = [&] {
        return std::ranges::count_if(w.cluster.calls,
                                     [](const auto& call) { return !call.starts_with("GET"); });
    };
    const auto before = writes();
    CHECK(file.apply(writing("01A"), step)); // again, as resume does
    CHECK(writes() == before);
}

TEST_CASE("another writer's value is not overwritten, and another place is no conflict")
{
    World w(k_whole);
    const ConfigFile file(make_config_in_map(*w.settings, "conduit-config", "agent.yaml"));
    bool moved = false;
    w.cluster.before = [&](const kube::Call& call) -> std::optional<Result<kube::Answer>> {
        if (call.method == "GET" || moved)
            return std::nullopt;
        moved = true; // between our reading and our writing
        auto object = w.cluster.at(k_map);
        object["data"]["agent.yaml"] = "providers:\n  openai: {enabled: true, weight: 30}\n";
        w.cluster.put(k_map, object);
        return std::nullopt;
    };
    REQUIRE(file.apply(writing("01A"), disabling(true, false)));
    CHECK(w.text() == "providers:\n  openai: {enabled: false, weight: 30}\n");
    const auto stale = file.apply(writing("01B"), disabling(true, false));
    REQUIRE_FALSE(stale);
    CHECK(stale.error().kind == ErrorKind::stale);
    CHECK(stale.error().details.at("field") == "file/providers/openai/enabled");
}
