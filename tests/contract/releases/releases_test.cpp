// SPDX-License-Identifier: Apache-2.0
// Releases on a real cluster: each verb leaves the same object as kubectl's own way, and what fails is taken
// back, with the reason, as soon as it is known.
#include "core/text.hpp"
#include "tests/contract/releases/cluster_world.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/wait.hpp"

#include <atomic>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thread>

using namespace conduit;
using namespace conduit::test;

namespace {

std::string first_pod(const ClusterWorld& w, const std::string& app)
{
    const auto pods = w.get(fmt::format("/api/v1/namespaces/{}/pods?labelSelector=app%3D{}", w.space, app));
    return pods["items"][0]["metadata"]["name"].get<std::string>();
}

// When a pod of this name's Deployment was first seen to wait for this reason.
class Sighting {
  public:
    Sighting(const ClusterWorld& w, std::string app, std::string reason)
        : thread_([&w, this, app = std::move(app), reason = std::move(reason)](const std::stop_token& stop) {
              while (!stop.stop_requested()) {
                  const auto pods =
                      w.get(fmt::format("/api/v1/namespaces/{}/pods?labelSelector=app%3D{}", w.space, app));
                  if (!happened() && dump_json(pods).contains(reason))
                      seen_ = std::chrono::steady_clock::now();
                  system_clock().sleep(100ms);
              }
          })
    {
    }
    bool happened() const { return seen_.load() != SteadyTime{}; }
    auto since() const { return std::chrono::steady_clock::now() - seen_.load(); }

  private:
    std::atomic<SteadyTime> seen_{SteadyTime{}};
    std::jthread thread_;
};

} // namespace

TEST_CASE("deploy leaves what kubectl set image leaves, and undo the version before")
{
    CONDUIT_CLUSTER;
    for (const auto* name : {"web", "twin"})
        w.deploy(name, 2, k_busybox);
    w.settled("web");
    const auto before = w.spec_of("web");
    const auto done = w.run({"deploy", "--workload", "web", "--image", k_pause, "--yes", "-o", "json"});
    INFO(done.err);
    REQUIRE(done.code == 0);
    const auto report = done.json();
    CHECK(report["verified"] == true);
    CHECK(report["rollout"]["state"] == "complete");
    CHECK(report["rollout"]["instances"].size() == 2);
    for (const auto& one : report["rollout"]["instances"])
        CHECK(one["digest"].get<std::string>().starts_with("sha256:"));
    w.kubectl({"set", "image", "deployment/twin", fmt::format("main={}", k_pause)});
    CHECK(w.spec_of("web") == w.spec_of("twin"));
    CHECK(
        w.run({"deploy", "--workload", "web", "--image", k_pause, "--yes", "-o", "json"}).json()["changed"] ==
        false);
    const auto undone = w.run({"undo", report["operation"].get<std::string>(), "--yes"});
    INFO(undone.err);
    CHECK(undone.code == 0);
    CHECK(w.spec_of("web") == before);
}

TEST_CASE("a version that crash-loops is taken back within seconds, with its last words")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 1, k_pause, "echo boom; exit 3");
    w.settled("web");
    const auto before = w.spec_of("web");
    const Sighting loop(w, "web", "CrashLoopBackOff");
    const auto failed = w.run({"deploy", "--workload", "web", "--image", k_busybox, "--yes", "-o", "json"});
    const auto late = loop.since();
    INFO(failed.err);
    CHECK(failed.code == 9);
    REQUIRE(loop.happened());
    CAPTURE(std::chrono::duration_cast<std::chrono::milliseconds>(late).count());
    CHECK(late < 10s); // four on a machine with time
    CHECK(failed.err.contains("CrashLoopBackOff: exit 3"));
    CHECK(failed.err.contains("boom"));
    CHECK(w.spec_of("web") == before);
    w.settled("web");
}

TEST_CASE("with --no-rollback a failed version stays, and undo takes it back")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 1, k_pause, "echo boom; exit 3");
    w.settled("web");
    const auto failed =
        w.run({"deploy", "--workload", "web", "--image", k_busybox, "--no-rollback", "--yes", "-o", "json"});
    INFO(failed.err);
    CHECK(failed.code == 10);
    CHECK(w.image_of("web") == k_busybox);
    const auto status = w.run({"rollout", "status", "--workload", "web", "--wait", "-o", "json"});
    CHECK(status.code == 13);
    CHECK(status.json()["problem"].get<std::string>().contains("CrashLoopBackOff"));
    // A pod of the old template that is stuck is no reason to stop: it is on its way out.
    const auto mended = w.run({"deploy", "--workload", "web", "--image", k_pause, "--yes"});
    INFO(mended.err);
    CHECK(mended.code == 0);
    CHECK(w.run({"rollout", "status", "--workload", "web"}).code == 0);
}

TEST_CASE("an image that cannot be pulled is said and taken back")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 1, k_busybox);
    w.settled("web");
    const auto failed =
        w.run({"deploy", "--workload", "web", "--image", "conduit.test/none:9", "--yes", "-o", "json"});
    INFO(failed.err);
    CHECK(failed.code == 9);
    CHECK(failed.err.contains("ErrImageNeverPull"));
    CHECK(w.image_of("web") == k_busybox);
}

TEST_CASE("a full quota stops a rollout, and the check before it says so")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 1, k_busybox);
    w.settled("web");
    CHECK(w.run({"rollout", "precheck", "--workload", "web"}).code == 0);
    w.create(fmt::format("/api/v1/namespaces/{}/resourcequotas", w.space),
             R"({"metadata":{"name":"tight"},"spec":{"hard":{"pods":"1"}}})");
    REQUIRE(eventually([&] {
        return w.get(fmt::format("/api/v1/namespaces/{}/resourcequotas/tight",
                                 w.space))["status"]["used"]["pods"] == "1";
    }));
    const auto check = w.run({"rollout", "precheck", "--workload", "web"});
    INFO(check.out);
    CHECK(check.code == 13);
    CHECK(check.out.contains("tight leaves no room"));
    const auto failed = w.run({"deploy", "--workload", "web", "--image", k_pause, "--yes", "-o", "json"});
    INFO(failed.err);
    CHECK(failed.code == 9);
    CHECK(failed.err.contains("exceeded quota"));
    CHECK(w.image_of("web") == k_busybox);
}

TEST_CASE("a wrong container, a placeholder and a question of which are answered before anything is written")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 1, k_busybox, "sleep 3600", true);
    const auto wrong =
        w.run({"deploy", "--workload", "web", "--container", "mian", "--image", k_pause, "--yes"});
    CHECK(wrong.code == 4);
    CHECK(wrong.err.contains("main, sidecar"));
    const auto which = w.run({"deploy", "--workload", "web", "--image", k_pause, "--yes"});
    CHECK(which.code == 2);
    CHECK(which.err.contains("main, sidecar"));
    CHECK(w.run({"deploy", "--workload", "web", "--image", "your-registry/conduit:v1.2.3", "--yes"}).code ==
          3);
    CHECK(w.run({"deploy", "--workload", "wbe", "--image", k_pause, "--yes"}).code == 4);
    CHECK(w.image_of("web") == k_busybox);
}

TEST_CASE("what another client writes between plan and apply makes the plan stale")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 1, k_busybox);
    w.settled("web");
    const auto file = "/tmp/" + w.space + ".json";
    const Words words{"deploy", "--workload", "web", "--image", k_pause, "--yes"};
    auto plan = words;
    plan.insert(plan.end(), {"--plan-out", file});
    REQUIRE(w.run(plan).code == 0);
    w.kubectl({"set", "image", "deployment/web", "main=conduit.test/busybox:2"});
    auto apply = words;
    apply.insert(apply.end(), {"--plan", file});
    const auto stale = w.run(apply);
    fs::remove(file);
    INFO(stale.err);
    CHECK(stale.code == 7);
    CHECK(w.image_of("web") == "conduit.test/busybox:2");
}

TEST_CASE("a dry run asks the API server and writes nothing")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 1, k_busybox);
    w.settled("web");
    const auto before = w.deployment("web")["metadata"]["generation"];
    const auto dry = w.run({"deploy", "--workload", "web", "--image", k_pause, "--dry-run", "-o", "json"});
    INFO(dry.err);
    CHECK(dry.code == 0);
    CHECK(dry.json()["server"][0]["says"].get<std::string>().contains("would accept"));
    CHECK(w.deployment("web")["metadata"]["generation"] == before);
}

TEST_CASE("rollout undo leaves what kubectl leaves, and a revision that is not kept is not found")
{
    CONDUIT_CLUSTER;
    for (const auto* name : {"web", "twin"})
        w.deploy(name, 1, k_busybox);
    w.settled("web");
    REQUIRE(w.run({"deploy", "--workload", "web", "--image", k_pause, "--reason", "faster", "--yes"}).code ==
            0);
    w.kubectl({"set", "image", "deployment/twin", fmt::format("main={}", k_pause)});
    w.kubectl({"set", "env", "deployment/web", "TOKEN=geheim"});
    w.kubectl({"set", "env", "deployment/twin", "TOKEN=geheim"});
    w.settled("web");
    w.settled("twin");
    const auto history = w.run({"rollout", "history", "--workload", "web", "-o", "json"}).json();
    REQUIRE(history["items"].size() == 3);
    CHECK(history["items"][0]["image"] == k_busybox);
    CHECK(history["items"][1]["cause"].get<std::string>().starts_with("faster (maria"));
    CHECK(history["items"][2]["current"] == true);
    CHECK(history["items"][2]["digest"].get<std::string>().starts_with("sha256:"));
    const auto pruned = w.run({"rollout", "undo", "--workload", "web", "--to-revision", "9", "--yes"});
    CHECK(pruned.code == 4);
    CHECK(pruned.err.contains("kept are 1, 2, 3 (current)"));
    const auto undone =
        w.run({"rollout", "undo", "--workload", "web", "--to-revision", "1", "--yes", "-o", "json"});
    INFO(undone.err);
    REQUIRE(undone.code == 0);
    CHECK_FALSE((undone.out + undone.err).contains("geheim"));
    CHECK((undone.out + undone.err).contains("env"));
    w.kubectl({"rollout", "undo", "deployment/twin", "--to-revision=1"});
    CHECK(w.spec_of("web") == w.spec_of("twin"));
    REQUIRE(w.run({"rollout", "undo", "--workload", "web", "--yes"}).code == 0); // to what was before it
    w.kubectl({"rollout", "undo", "deployment/twin"});
    CHECK(w.spec_of("web") == w.spec_of("twin"));
    CHECK(w.spec_of("web").contains("geheim"));
    const auto back = w.run({"undo", undone.json()["operation"].get<std::string>(), "--yes"});
    CHECK(back.code == 0); // already so: the revision from before is current again
}

TEST_CASE("pause stops what resume lets go on, as kubectl does")
{
    CONDUIT_CLUSTER;
    for (const auto* name : {"web", "twin"})
        w.deploy(name, 1, k_busybox);
    w.settled("web");
    REQUIRE(w.run({"rollout", "pause", "--workload", "web"}).code == 0);
    w.kubectl({"rollout", "pause", "deployment/twin"});
    CHECK(w.spec_of("web") == w.spec_of("twin"));
    const auto refused = w.run({"deploy", "--workload", "web", "--image", k_pause, "--yes"});
    CHECK(refused.code == 3);
    CHECK(refused.err.contains("rollout resume"));
    w.kubectl({"set", "image", "deployment/web", fmt::format("main={}", k_pause)});
    const auto waiting = w.run({"rollout", "status", "--workload", "web", "-o", "json"});
    CHECK(waiting.code == 11);
    CHECK(waiting.json()["state"] == "paused");
    const auto resumed = w.run({"rollout", "resume", "--workload", "web", "--yes"});
    INFO(resumed.err);
    CHECK(resumed.code == 0);
    CHECK(w.run({"rollout", "status", "--workload", "web"}).code == 0);
    w.kubectl({"set", "image", "deployment/twin", fmt::format("main={}", k_pause)});
    w.kubectl({"rollout", "resume", "deployment/twin"});
    CHECK(w.spec_of("web") == w.spec_of("twin"));
}

TEST_CASE("rollout restart replaces every pod as kubectl does")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 2, k_busybox);
    w.settled("web");
    const auto before = first_pod(w, "web");
    const auto done = w.run({"rollout", "restart", "--workload", "web", "--yes"});
    INFO(done.err);
    CHECK(done.code == 0);
    CHECK(w.deployment("web")["spec"]["template"]["metadata"]["annotations"].contains(
        "kubectl.kubernetes.io/restartedAt"));
    CHECK(w.get(fmt::format("/api/v1/namespaces/{}/pods/{}", w.space, before)).is_null());
}

TEST_CASE("resources are set in one container alone, as kubectl set resources -c does")
{
    CONDUIT_CLUSTER;
    for (const auto* name : {"web", "twin"})
        w.deploy(name, 1, k_busybox, "sleep 3600", true);
    w.settled("web");
    const auto before = w.spec_of("web");
    CHECK(w.run({"resources", "set", "--workload", "web", "--limit-memory", "64Mi", "--yes"}).code == 2);
    const auto done =
        w.run({"resources", "set", "--workload", "web", "--container", "main", "--limit-memory", "64Mi",
               "--request-memory", "16Mi", "--limit-cpu", "0.5", "--yes", "-o", "json"});
    INFO(done.err);
    REQUIRE(done.code == 0);
    w.kubectl({"set", "resources", "deployment/twin", "-c", "main", "--limits=memory=64Mi,cpu=500m",
               "--requests=memory=16Mi"});
    CHECK(w.spec_of("web") == w.spec_of("twin"));
    const auto shown = w.run({"resources", "show", "--workload", "web", "-o", "json"}).json();
    CHECK(shown["items"][0]["limit_memory"] == "64Mi");
    CHECK(shown["items"][1]["limit_memory"].is_null());
    const auto large = w.run({"resources", "set", "--workload", "web", "--container", "main",
                              "--request-memory", "900Gi", "--limit-memory", "900Gi", "--yes"});
    CHECK(large.code == 3);
    CHECK(large.err.contains("no node can take"));
    const auto order = w.run(
        {"resources", "set", "--workload", "web", "--container", "main", "--limit-memory", "8Mi", "--yes"});
    CHECK(order.code == 2);
    CHECK(w.run({"undo", done.json()["operation"].get<std::string>(), "--yes"}).code == 0);
    CHECK(w.spec_of("web") == before);
}

TEST_CASE("the strategy is what the manifest would say, and Recreate drops what it has no use for")
{
    CONDUIT_CLUSTER;
    for (const auto* name : {"web", "twin"})
        w.deploy(name, 1, k_busybox);
    const auto before = w.spec_of("web");
    const auto done = w.run({"rollout", "strategy", "--workload", "web", "--type", "RollingUpdate",
                             "--max-surge", "1", "--max-unavailable", "0", "--yes"});
    INFO(done.err);
    REQUIRE(done.code == 0);
    w.kubectl({"patch", "deployment", "twin", "-p",
               R"({"spec":{"strategy":{"rollingUpdate":{"maxSurge":1,"maxUnavailable":0}}}})"});
    CHECK(w.spec_of("web") == w.spec_of("twin"));
    const auto recreate =
        w.run({"rollout", "strategy", "--workload", "web", "--type", "Recreate", "--yes", "-o", "json"});
    INFO(recreate.err);
    REQUIRE(recreate.code == 0);
    CHECK(w.deployment("web")["spec"]["strategy"] == Json{{"type", "Recreate"}});
    CHECK(w.run({"undo", recreate.json()["operation"].get<std::string>(), "--yes"}).code == 0);
    CHECK(w.spec_of("web") == w.spec_of("twin"));
    CHECK(w.spec_of("web") != before);
}

TEST_CASE("an autoscaler is made, bounded and removed, and a scale it would revert is refused")
{
    CONDUIT_CLUSTER;
    for (const auto* name : {"web", "twin"})
        w.deploy(name, 2, k_busybox);
    w.settled("web");
    const auto folder = fmt::format("/apis/autoscaling/v1/namespaces/{}/horizontalpodautoscalers/", w.space);
    const auto made = w.run({"autoscale", "set", "--workload", "web", "--min", "2", "--max", "4", "--cpu",
                             "70", "--yes", "-o", "json"});
    INFO(made.err);
    REQUIRE(made.code == 0);
    w.kubectl({"autoscale", "deployment", "twin", "--min=2", "--max=4", "--cpu-percent=70"});
    const auto spec = [&](const std::string& name) {
        return replace_all(canonical_json(w.get(folder + name)["spec"]), "\"" + name + "\"", "\"NAME\"");
    };
    CHECK(spec("web") == spec("twin"));
    const auto bounded =
        w.run({"autoscale", "set", "--workload", "web", "--min", "3", "--max", "6", "--yes", "-o", "json"});
    INFO(bounded.err);
    REQUIRE(bounded.code == 0);
    w.kubectl({"patch", "hpa", "twin", "-p", R"({"spec":{"minReplicas":3,"maxReplicas":6}})"});
    CHECK(spec("web") == spec("twin"));
    const auto refused = w.run({"scale", "to", "10", "--workload", "web", "--yes"});
    CHECK(refused.code == 3);
    CHECK(refused.err.contains("autoscaler web"));
    CHECK(refused.err.contains("autoscale set"));
    const auto listed = w.run({"autoscale", "show", "-o", "json"}).json();
    CHECK(listed["items"].size() == 2);
    const auto off = w.run({"autoscale", "off", "--workload", "web", "--yes", "-o", "json"});
    INFO(off.err);
    REQUIRE(off.code == 0);
    CHECK(w.get(folder + "web").is_null());
    REQUIRE(w.run({"undo", off.json()["operation"].get<std::string>(), "--yes"}).code == 0);
    CHECK(spec("web") == spec("twin"));
    REQUIRE(w.run({"undo", bounded.json()["operation"].get<std::string>(), "--yes"}).code == 0);
    CHECK(w.get(folder + "web")["spec"]["maxReplicas"] == 4);
}

TEST_CASE("a disruption budget that forbids is said before, and an eviction is refused")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 1, k_busybox);
    w.settled("web");
    w.create(
        fmt::format("/apis/policy/v1beta1/namespaces/{}/poddisruptionbudgets", w.space),
        R"({"metadata":{"name":"one"},"spec":{"minAvailable":1,"selector":{"matchLabels":{"app":"web"}}}})");
    REQUIRE(eventually([&] {
        return w.get(fmt::format("/apis/policy/v1beta1/namespaces/{}/poddisruptionbudgets/one",
                                 w.space))["status"]["expectedPods"] == 1;
    }));
    const auto check = w.run({"rollout", "precheck", "--workload", "web"});
    CHECK(check.code == 13);
    CHECK(check.out.contains("one allows 0"));
    const auto pod = first_pod(w, "web");
    const auto refused = w.run({"restart", "--workload", "web", "--instance", pod, "--yes"});
    INFO(refused.err);
    CHECK(refused.code == 3);
    CHECK(first_pod(w, "web") == pod);
}

TEST_CASE("describe and events tell what kubectl tells, and no value of the environment")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 1, k_busybox, "echo boom; exit 3");
    w.kubectl({"set", "env", "deployment/web", "TOKEN=geheim"});
    REQUIRE(eventually(
        [&] {
            return w.run({"events", "--type", "warning", "--for", "web", "-o", "json"})
                .out.contains("BackOff");
        },
        60s));
    // While it is started once more it is under way again.
    auto workload = w.run({"describe", "web", "-o", "json"});
    CHECK(eventually(
        [&] {
            workload = w.run({"describe", "web", "-o", "json"});
            return workload.code == 0 && workload.json()["state"] == "stuck";
        },
        60s));
    INFO(workload.err);
    REQUIRE(workload.code == 0);
    CHECK(workload.json()["kind"] == "Deployment");
    CHECK(workload.json()["containers"][0]["digests"][0].get<std::string>().starts_with("sha256:"));
    CHECK_FALSE(workload.out.contains("geheim"));
    const auto pod = w.run({"describe", workload.json()["instances"][0]["name"].get<std::string>()});
    CHECK(pod.code == 0);
    CHECK(pod.out.contains("CrashLoopBackOff"));
    CHECK_FALSE(pod.out.contains("geheim"));
    CHECK(w.run({"describe", "wbe"}).code == 4);
    const auto events = w.run({"events", "-o", "json"}).json();
    const auto& items = events["items"];
    REQUIRE(items.size() > 2);
    CHECK(std::ranges::is_sorted(items, {}, [](const Json& one) { return one["at"].get<std::string>(); }));
}

TEST_CASE("a right that is missing is named, and nothing is changed")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 1, k_busybox);
    w.settled("web");
    w.make_weak_context();
    CHECK(w.run({"rollout", "status", "--workload", "web", "-C", "weak"}).code == 0);
    const auto denied = w.run({"deploy", "--workload", "web", "--image", k_pause, "--yes", "-C", "weak"});
    INFO(denied.err);
    CHECK(denied.code == 5);
    CHECK(denied.err.contains("cannot patch resource \"deployments\""));
    CHECK(w.image_of("web") == k_busybox);
}

TEST_CASE("a probe that fails is named when the time is over, and the change stands as unverified")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 1, k_pause);
    w.settled("web");
    w.kubectl({"patch", "deployment", "web", "-p",
               R"({"spec":{"template":{"spec":{"containers":[{"name":"main","readinessProbe":)"
               R"({"httpGet":{"port":1,"path":"/"},"periodSeconds":1}}]}}}})"});
    const auto late = w.run(
        {"deploy", "--workload", "web", "--image", k_busybox, "--timeout", "15s", "--yes", "-o", "json"});
    INFO(late.err);
    CHECK(late.code == 11);
    CHECK(late.json()["message"].get<std::string>().contains("Readiness probe failed"));
}
