// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/setting_uses.hpp"
#include "tests/support/catch.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::kubernetes;

namespace {

constexpr auto k_spec = R"({
  "initContainers": [{"name": "init", "envFrom": [{"prefix": "X_", "configMapRef": {"name": "a"}}, {"secretRef": {"name": "s"}}]}],
  "containers": [{"name": "main",
    "env": [{"name": "TTL", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "ttl"}}},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}},
            {"name": "PLAIN", "value": "1"},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
    "volumeMounts": [{"name": "whole", "mountPath": "/etc/a"},
                     {"name": "items", "mountPath": "/etc/b.yaml", "subPath": "b.yaml"},
                     {"name": "both", "mountPath": "/etc/both"},
                     {"name": "scratch", "mountPath": "/tmp"}]}],
  "volumes": [{"name": "whole", "configMap": {"name": "a"}},
              {"name": "items", "configMap": {"name": "b", "items": [{"key": "k1", "path": "b.yaml"}, {"key": "k2", "path": "c"}]}},
              {"name": "both", "projected": {"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "p"}}]}},
              {"name": "unused", "secret": {"secretName": "never"}},
              {"name": "scratch", "emptyDir": {}}],
  "imagePullSecrets": [{"name": "pull"}]})";

std::string told(const std::vector<SettingUse>& uses)
{
    std::string out;
    for (const auto& use : uses) {
        out += fmt::format("{}:{} {} {}", use.kind == SettingKind::map ? "map" : "secret", use.object,
                           read_as_name(use.how), use.as);
        for (const auto& key : use.keys)
            out += " " + key;
        out += "\n";
    }
    return out;
}

Json workload(const std::string& name, const Json& spec)
{
    return {{"metadata", {{"name", name}}}, {"spec", {{"replicas", 1}, {"template", {{"spec", spec}}}}}};
}

} // namespace

TEST_CASE("every way in which a pod reads a ConfigMap or a Secret is found, and volumes that no container "
          "mounts are not")
{
    const std::vector<JsonBox> workloads{workload("api", parse_json(k_spec).value())};
    const auto uses = uses_in(workloads, {});
    CHECK(told(uses) == "map:a envFrom X_\n"
                        "secret:s envFrom \n"
                        "map:a env TTL ttl\n"
                        "secret:s env KEY key\n"
                        "map:a volume /etc/a\n"
                        "map:b subPath /etc/b.yaml k1\n"
                        "map:c volume /etc/both\n"
                        "secret:p volume /etc/both\n"
                        "secret:pull imagePull \n");
    for (const auto& use : uses) {
        CHECK(use.workload_kind == "Deployment");
        CHECK(read_at_start(use.how) == (use.how != ReadAs::file && use.how != ReadAs::image_pull));
    }
    CHECK(reads_key(uses[2], "ttl"));
    CHECK_FALSE(reads_key(uses[2], "other"));
    CHECK(reads_key(uses[0], "anything"));
}

TEST_CASE("pods that no workload owns count while they live, and cannot be rolled")
{
    const auto pod = [](const std::string& name, const std::string& phase, const std::string& owner) {
        Json object{{"metadata", {{"name", name}}},
                    {"spec", parse_json(k_spec).value()},
                    {"status", {{"phase", phase}}}};
        if (!owner.empty())
            object["metadata"]["ownerReferences"] = {
                {{"kind", "StatefulSet"}, {"name", owner}, {"controller", true}}};
        return JsonBox(object);
    };
    const std::vector<JsonBox> workloads{workload("api", Json::object())};
    const std::vector<JsonBox> pods{pod("api-0", "Running", "api"), pod("job-1", "Succeeded", "job"),
                                    pod("alone", "Running", "")};
    const auto uses = uses_in(workloads, pods);
    REQUIRE_FALSE(uses.empty());
    for (const auto& use : uses) {
        CHECK(use.workload == "alone");
        CHECK_FALSE(can_roll(use));
    }
}

TEST_CASE("the environment says where each value comes from")
{
    const std::vector<JsonBox> workloads{workload("api", parse_json(k_spec).value())};
    const auto values = environment_in(workloads);
    REQUIRE(values.size() == 4);
    CHECK(values[0].from == SettingKind::map);
    CHECK(values[1].from == SettingKind::secret);
    CHECK(values[1].from_object == "s");
    CHECK(values[1].from_key == "key");
    CHECK(values[2].value == "1");
    CHECK_FALSE(values[2].from);
}

TEST_CASE("templates of nonsense are no harm")
{
    for (const auto* text :
         {"null", "[]", "7", R"({"containers":7})", R"({"containers":[7,{"env":[7,{"valueFrom":7}]}]})",
          R"({"containers":[{"volumeMounts":[{}]}],"volumes":[{},7]})"}) {
        const std::vector<JsonBox> workloads{workload("x", parse_json(text).value())};
        CHECK(uses_in(workloads, workloads).empty());
        (void)environment_in(workloads);
    }
}
