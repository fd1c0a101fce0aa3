// SPDX-License-Identifier: Apache-2.0
// Argo Rollouts: refused without their CRD; with it, and with a status that the test drives by hand, steered
// as their own plugin does.
#include "tests/contract/releases/cluster_world.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/wait.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thread>

using namespace conduit;
using namespace conduit::test;

namespace {

constexpr auto k_crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
constexpr auto k_crd = R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
  "metadata":{"name":"rollouts.argoproj.io"},
  "spec":{"group":"argoproj.io","scope":"Namespaced",
    "names":{"kind":"Rollout","plural":"rollouts","singular":"rollout","listKind":"RolloutList"},
    "versions":[{"name":"v1alpha1","served":true,"storage":true,"subresources":{"status":{}},
      "schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}})";
constexpr auto k_rollout =
    R"({"apiVersion":"argoproj.io/v1alpha1","kind":"Rollout","metadata":{"name":"voice"},
  "spec":{"replicas":1,"selector":{"matchLabels":{"app":"voice"}},
    "strategy":{"canary":{"steps":[{"setWeight":10},{"pause":{}},{"setWeight":50},{"pause":{}}]}},
    "template":{"metadata":{"labels":{"app":"voice"}},
      "spec":{"containers":[{"name":"main","image":"conduit.test/busybox:1"}]}}}})";

Deadline soon()
{
    return Deadline(30s);
}

// The controller's part: it says what it has seen.
void controller_says(const ClusterWorld& w, Json status)
{
    const auto path = fmt::format("/apis/argoproj.io/v1alpha1/namespaces/{}/rollouts/voice", w.space);
    status["observedGeneration"] = fmt::format("{}", w.get(path)["metadata"]["generation"].get<int>());
    const auto written = w.api->patch(path + "/status", kube::PatchType::merge,
                                      Json{{"status", std::move(status)}}, {}, soon());
    INFO((written ? "" : written.error().message));
    REQUIRE(written);
}

} // namespace

TEST_CASE("without Argo Rollouts a canary is refused, with them it is started, promoted and aborted")
{
    if (!has_cluster())
        return;
    const ClusterWorld w;
    const auto path = fmt::format("/apis/argoproj.io/v1alpha1/namespaces/{}/rollouts/voice", w.space);
    for (const auto& words : {Words{"canary", "status"},
                              {"canary", "start", "--image", k_pause, "--yes"},
                              {"canary", "promote", "--yes"},
                              {"canary", "abort", "--yes"}}) {
        const auto refused = w.run(words);
        CHECK(refused.code == 3);
        CHECK(refused.err.contains("Argo Rollouts"));
    }
    w.create(k_crds, k_crd);
    const struct Remove {
        const ClusterWorld& w;
        ~Remove()
        {
            (void)w.api->remove(std::string(k_crds) + "/rollouts.argoproj.io", Json::object(), soon())
                .has_value();
        }
    } remove{w};
    REQUIRE(eventually([&] { return !w.get("/apis/argoproj.io/v1alpha1").is_null(); }, 30s));
    REQUIRE(eventually([&] { return w.run({"canary", "status"}).code == 4; }, 30s));
    REQUIRE(eventually([&] {
        return w.api
            ->create(fmt::format("/apis/argoproj.io/v1alpha1/namespaces/{}/rollouts", w.space),
                     parse_json(k_rollout).value(), {}, soon())
            .has_value();
    }));
    controller_says(w, {{"phase", "Healthy"}, {"currentStepIndex", 4}});

    std::jthread controller([&] {
        if (eventually(
                [&] { return w.get(path)["spec"]["template"]["spec"]["containers"][0]["image"] == k_pause; },
                30s))
            controller_says(w, {{"phase", "Paused"},
                                {"currentStepIndex", 1},
                                {"pauseConditions", {{{"reason", "CanaryPauseStep"}}}}});
    });
    const auto started = w.run({"deploy", "--workload", "voice", "--image", k_pause, "--yes", "-o", "json"});
    controller.join();
    INFO(started.err);
    CHECK(started.code == 0); // the Rollout is changed, not a Deployment of its name
    const auto status = w.run({"canary", "status", "--workload", "voice", "-o", "json"}).json();
    CHECK(status["phase"] == "Paused");
    CHECK(status["paused"] == true);
    CHECK(status["images"]["main"] == k_pause);

    const auto promoted =
        w.run({"canary", "promote", "--workload", "voice", "--timeout", "2s", "--yes", "-o", "json"});
    INFO(promoted.err);
    CHECK(w.get(path)["status"].value("pauseConditions", Json()).is_null());
    controller_says(w, {{"phase", "Progressing"}, {"currentStepIndex", 2}});
    CHECK(w.run({"canary", "promote", "--workload", "voice", "--yes"}).code == 3); // it waits for nobody
    std::jthread aborting([&] {
        if (eventually([&] { return w.get(path)["status"].value("abort", false); }, 30s))
            controller_says(w, {{"phase", "Degraded"}, {"message", "RolloutAborted"}});
    });
    const auto aborted = w.run({"canary", "abort", "--workload", "voice", "--yes"});
    aborting.join();
    INFO(aborted.err);
    CHECK(aborted.code == 0);
    CHECK(w.run({"canary", "status", "--workload", "voice"}).code == 13);
}
