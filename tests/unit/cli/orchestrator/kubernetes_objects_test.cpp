// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/objects.hpp"
#include "tests/support/catch.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::kubernetes;

namespace {

Json document(const std::string& text)
{
    return parse_json(text).value();
}

// A pod of Deployment "agent" with this status.
Json pod(const std::string& status, const std::string& more_meta = {})
{
    return document(fmt::format(
        R"({{"metadata":{{"name":"agent-7d9f-x2x","uid":"u-1","labels":{{"pod-template-hash":"7d9f"}},)"
        R"("ownerReferences":[{{"kind":"ReplicaSet","name":"agent-7d9f","controller":true}}]{}}},"status":{}}})",
        more_meta, status));
}

std::string container(const std::string& state, const std::string& last = "{}", int restarts = 0)
{
    return fmt::format(R"({{"name":"main","restartCount":{},"state":{},"lastState":{}}})", restarts, state,
                       last);
}

constexpr auto k_ready =
    R"({"phase":"Running","startTime":"2026-11-22T10:00:00Z","conditions":[{"type":"Ready","status":"True"}]})";

} // namespace

TEST_CASE("a pod is an instance of the workload above its ReplicaSet")
{
    const auto instance = instance_of(pod(k_ready));
    CHECK(instance.name == "agent-7d9f-x2x");
    CHECK(instance.workload == "agent");
    CHECK(instance.ref == "u-1");
    CHECK(instance.revision == "7d9f");
    CHECK(instance.ready);
    CHECK(instance.state == InstanceState::ready);
    CHECK(instance.started_at == parse_time("2026-11-22T10:00:00Z").value());
    CHECK_FALSE(instance.last_exit);
    const auto stateful = instance_of(document(
        R"({"metadata":{"name":"redis-0","labels":{"controller-revision-hash":"redis-5"},)"
        R"("ownerReferences":[{"kind":"StatefulSet","name":"redis","controller":true}]},"status":{"phase":"Pending"}})"));
    CHECK(stateful.workload == "redis");
    CHECK(stateful.revision == "redis-5");
    CHECK(stateful.state == InstanceState::starting);
    CHECK(instance_of(document(R"({"metadata":{"name":"alone"}})")).workload.empty());
    CHECK(instance_of(Json()).name.empty());
}

TEST_CASE("running is not ready, crash-looping is not running, and what is being deleted drains")
{
    CHECK(instance_of(pod(R"({"phase":"Running","conditions":[{"type":"Ready","status":"False"}]})")).state ==
          InstanceState::not_ready);
    const auto crashing = instance_of(pod(fmt::format(
        R"({{"phase":"Running","containerStatuses":[{}]}})",
        container(
            R"({"waiting":{"reason":"CrashLoopBackOff"}})",
            R"({"terminated":{"exitCode":137,"reason":"OOMKilled","finishedAt":"2026-11-22T10:01:00Z"}})",
            5))));
    CHECK(crashing.state == InstanceState::crash_loop);
    CHECK(crashing.restarts == 5);
    REQUIRE(crashing.last_exit);
    CHECK(crashing.last_exit->code == 137);
    CHECK(crashing.last_exit->at == parse_time("2026-11-22T10:01:00Z").value());
    const auto leaving = instance_of(pod(k_ready, R"(,"deletionTimestamp":"2026-11-22T10:02:00Z")"));
    CHECK(leaving.state == InstanceState::draining);
    CHECK_FALSE(leaving.ready);
    CHECK(instance_of(pod(R"({"phase":"Failed"})")).state == InstanceState::exited);
}

TEST_CASE("what will not mend itself is named with its reason at once")
{
    const auto reason = [](const std::string& status) { return stuck_reason(pod(status)).value_or("none"); };
    const auto waiting = [&](const std::string& state, const std::string& last = "{}") {
        return reason(
            fmt::format(R"({{"phase":"Pending","containerStatuses":[{}]}})", container(state, last)));
    };
    CHECK(waiting(R"({"waiting":{"reason":"ImagePullBackOff","message":"no such image"}})") ==
          "container main: ImagePullBackOff: no such image");
    CHECK(waiting(R"({"waiting":{"reason":"CrashLoopBackOff","message":"back-off 10s"}})",
                  R"({"terminated":{"exitCode":137,"reason":"OOMKilled"}})") ==
          "container main: CrashLoopBackOff: exit 137 (OOMKilled)");
    CHECK(waiting(R"({"waiting":{"reason":"CrashLoopBackOff"}})",
                  R"({"terminated":{"exitCode":1,"reason":"Error"}})") ==
          "container main: CrashLoopBackOff: exit 1");
    CHECK(waiting(R"({"waiting":{"reason":"ContainerCreating"}})") == "none");
    CHECK(
        reason(
            R"({"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable",)"
            R"("message":"0/1 nodes are available"}]})") == "Unschedulable: 0/1 nodes are available");
    CHECK(reason(R"({"phase":"Failed","reason":"Evicted"})") == "Failed: Evicted");
    CHECK(
        reason(
            fmt::format(
                R"({{"phase":"Pending","initContainerStatuses":[{}]}})",
                container(
                    R"({"waiting":{"reason":"CreateContainerConfigError","message":"secret \"x\" not found"}})")))
            .contains("secret \"x\" not found"));
    CHECK(reason(k_ready) == "none");
}

TEST_CASE("workloads say what is wanted, ready and running")
{
    const auto deployment = workload_of(document(
        R"({"metadata":{"name":"agent"},"spec":{"replicas":3},"status":{"replicas":4,"readyReplicas":2}})"));
    CHECK(deployment.name == "agent");
    CHECK(deployment.wanted == 3);
    CHECK(deployment.ready == 2);
    CHECK(deployment.running == 4);
    CHECK(deployment.scalable);
    CHECK(workload_of(document(R"({"metadata":{"name":"a"},"spec":{"replicas":0},"status":{}})")).wanted ==
          0);
    const auto daemons = workload_of(document(
        R"({"metadata":{"name":"d"},"status":{"desiredNumberScheduled":2,"numberReady":1,"currentNumberScheduled":2}})"));
    CHECK_FALSE(daemons.scalable);
    CHECK(daemons.wanted == 2);
    CHECK(daemons.ready == 1);
}

TEST_CASE("a rollout is done when the controller has seen the change and nothing old is left")
{
    const auto state = [](const std::string& status, int generation = 2) {
        return rollout_of(
            document(fmt::format(R"({{"metadata":{{"generation":{}}},"spec":{{"replicas":2}},"status":{}}})",
                                 generation, status)));
    };
    const auto whole =
        R"({"observedGeneration":2,"replicas":2,"updatedReplicas":2,"availableReplicas":2,"readyReplicas":2})";
    CHECK(state(whole).done);
    CHECK_FALSE(state(whole, 3).done); // the status is of the time before the change
    CHECK_FALSE(state(whole, 3).observed);
    CHECK_FALSE(
        state(R"({"observedGeneration":2,"replicas":3,"updatedReplicas":2,"availableReplicas":2})").done);
    CHECK_FALSE(
        state(R"({"observedGeneration":2,"replicas":2,"updatedReplicas":1,"availableReplicas":2})").done);
    CHECK_FALSE(state("{}").done);
    CHECK(state(R"({"observedGeneration":2,"conditions":[{"type":"Progressing","status":"False",)"
                R"("reason":"ProgressDeadlineExceeded","message":"timed out"}]})")
              .failure.contains("timed out"));
    CHECK(
        state(
            R"({"conditions":[{"type":"ReplicaFailure","status":"True","reason":"FailedCreate","message":"exceeded quota"}]})")
            .failure == "FailedCreate: exceeded quota");
}
