// SPDX-License-Identifier: Apache-2.0
// Changes of workloads against an API server in memory; a controller of the test's own moves what is wanted
// to what is.
#include "cli/orchestrator/kubernetes/change.hpp"
#include "cli/orchestrator/kubernetes/orchestrator.hpp"
#include "cli/orchestrator/kubernetes/usage.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_cluster.hpp"
#include "tests/support/fakes/fake_workloads.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::kubernetes;
using namespace conduit::test;

namespace {

struct Fixture {
    FakeCluster cluster;
    FakeWorkloads controller{cluster, "audio"};
    kube::Api api{cluster.transport(), system_clock()};
    WorkloadApi workloads{api, "audio"};

    Fixture() { controller.deploy("agent", 2); }
    int wanted() { return controller.wanted("agent"); }
    Result<OrchestratorChange> scale(int replicas, const std::string& key = "OP/1",
                                     std::optional<int> expected = {})
    {
        return kubernetes::scale(
            workloads, {.workload = "agent", .replicas = replicas, .expected = expected, .key = key}, {},
            Deadline(5s));
    }
};

} // namespace

TEST_CASE_METHOD(Fixture, "a scale writes the number and its key together, and answers when it is true")
{
    const auto done = scale(3, "OP/1", 2);
    REQUIRE(done);
    CHECK(done->changed);
    CHECK(done->started.size() == 1);
    CHECK(wanted() == 3);
    const auto writes =
        std::ranges::count_if(cluster.calls, [](const auto& call) { return call.starts_with("PATCH"); });
    CHECK(writes == 1);
    CHECK(was_done(cluster.at(controller.path("agent")), "OP/1"));
    const auto again = scale(3, "OP/1", 2); // the key comes before the expectation
    REQUIRE(again);
    CHECK(again->changed);
    CHECK(std::ranges::count_if(cluster.calls, [](const auto& call) { return call.starts_with("PATCH"); }) ==
          1);
}

TEST_CASE_METHOD(Fixture, "a status that changes meanwhile is no reason to stop, another number is")
{
    int conflicts = 3;
    cluster.before = [&](const kube::Call& call) -> std::optional<Result<kube::Answer>> {
        if (call.method == "PATCH" && conflicts-- > 0)
            controller.touch("agent"); // the version moves on between our read and our write
        return std::nullopt;
    };
    CHECK(scale(3));
    cluster.before = [&](const kube::Call& call) -> std::optional<Result<kube::Answer>> {
        if (call.method == "PATCH" && wanted() == 3)
            controller.set_wanted("agent", 7); // somebody else
        return std::nullopt;
    };
    const auto stale = scale(4, "OP/2", 3);
    REQUIRE_FALSE(stale);
    CHECK(stale.error().kind == ErrorKind::stale);
    CHECK(stale.error().message.contains("7"));
    CHECK(wanted() == 7);
}

TEST_CASE_METHOD(Fixture, "a pod that cannot start ends the wait with its reason, long before the deadline")
{
    controller.new_pods = R"({"phase":"Pending","containerStatuses":[{"name":"main","state":{"waiting":)"
                          R"({"reason":"ImagePullBackOff","message":"no such image"}}}]})";
    const auto failed = scale(3);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().kind == ErrorKind::failed);
    CHECK(failed.error().message.contains("ImagePullBackOff: no such image"));
    CHECK(failed.error().details.contains("instance"));
}

TEST_CASE_METHOD(Fixture, "an API server that goes away during the wait is waited for")
{
    int away = 0;
    cluster.before = [&](const kube::Call& call) -> std::optional<Result<kube::Answer>> {
        const bool waiting = was_done(cluster.at(controller.path("agent")), "OP/1");
        if (call.method == "GET" && waiting && ++away <= 3)
            return Result<kube::Answer>(Error{ErrorKind::unreachable, "connection refused"});
        return std::nullopt;
    };
    CHECK(scale(3));
    CHECK(away >= 3);
}

TEST_CASE_METHOD(Fixture, "what is not ready in time is unverified, and says how far it came")
{
    controller.new_pods = R"({"phase":"Running"})";
    const auto late = kubernetes::scale(workloads, {.workload = "agent", .replicas = 3, .key = "OP/1"}, {},
                                        Deadline(600ms));
    REQUIRE_FALSE(late);
    CHECK(late.error().kind == ErrorKind::unverified);
    CHECK(late.error().message.contains("2 available"));
}

TEST_CASE_METHOD(Fixture, "a restart of all changes the template once and replaces every pod")
{
    const auto before = controller.pods("agent");
    const RestartRequest request{.workload = "agent", .key = "R/1"};
    const auto done = kubernetes::restart(workloads, request, {}, Deadline(5s));
    REQUIRE(done);
    CHECK(done->started.size() == 2);
    CHECK(done->ended.size() == 2);
    const auto after = controller.pods("agent");
    REQUIRE(kubernetes::restart(workloads, request, {}, Deadline(5s)));
    CHECK(controller.pods("agent") == after);
}

TEST_CASE_METHOD(Fixture, "one instance is evicted, its budget may refuse, and an unknown one is not found")
{
    const auto pods = controller.pods("agent");
    const auto done = kubernetes::restart(
        workloads, {.workload = "agent", .instances = {pods.at(0)}, .key = "R/1"}, {}, Deadline(5s));
    REQUIRE(done);
    CHECK(done->ended == std::vector<std::string>{pods.at(0)});
    CHECK(done->started.size() == 1);
    controller.budget_allows = false;
    const auto refused = kubernetes::restart(
        workloads, {.workload = "agent", .instances = {pods.at(1)}, .key = "R/2"}, {}, Deadline(5s));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::refused);
    const auto unknown = kubernetes::restart(
        workloads, {.workload = "agent", .instances = {"agent-x"}, .key = "R/3"}, {}, Deadline(5s));
    CHECK(unknown.error().kind == ErrorKind::not_found);
}

TEST_CASE_METHOD(Fixture,
                 "a restart that was cut off after its key is not finished, and its repetition finishes it")
{
    const auto pods = controller.pods("agent");
    const RestartRequest request{.workload = "agent", .instances = {pods.at(0)}, .key = "R/1"};
    cluster.before = [](const kube::Call& call) -> std::optional<Result<kube::Answer>> {
        if (call.path.ends_with("/eviction"))
            return Result<kube::Answer>(Error{ErrorKind::unreachable, "killed here"});
        return std::nullopt;
    };
    CHECK_FALSE(kubernetes::restart(workloads, request, {}, Deadline(5s)));
    cluster.before = nullptr;
    const auto finished = [&] {
        return is_finished(workloads, cluster.at(controller.path("agent")), "R/1", Deadline(5s)).value();
    };
    CHECK(was_done(cluster.at(controller.path("agent")), "R/1"));
    CHECK_FALSE(finished());
    REQUIRE(kubernetes::restart(workloads, request, {}, Deadline(5s)));
    CHECK(finished());
    const auto after = controller.pods("agent");
    CHECK(std::ranges::count(after, pods.at(0)) == 0);
    REQUIRE(kubernetes::restart(workloads, request, {}, Deadline(5s))); // and once more changes nothing
    CHECK(controller.pods("agent") == after);
}

TEST_CASE_METHOD(Fixture, "an unknown workload is not found with the nearest, and a DaemonSet does not scale")
{
    const auto unknown =
        kubernetes::scale(workloads, {.workload = "agnet", .replicas = 1, .key = "a"}, {}, Deadline(5s));
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().kind == ErrorKind::not_found);
    CHECK(unknown.error().message.contains("agent"));
    cluster.put("/apis/apps/v1/namespaces/audio/daemonsets/logs",
                Json{{"spec", {{"selector", {{"matchLabels", {{"app", "logs"}}}}}}},
                     {"status", {{"desiredNumberScheduled", 1}}}});
    CHECK(kubernetes::scale(workloads, {.workload = "logs", .replicas = 2, .key = "a"}, {}, Deadline(5s))
              .error()
              .kind == ErrorKind::usage);
}

TEST_CASE("selectors of every form are written as the API reads them")
{
    const auto selector = parse_json(
        R"({"spec":{"selector":{"matchLabels":{"app":"a"},"matchExpressions":[)"
        R"({"key":"tier","operator":"In","values":["x","y"]},{"key":"old","operator":"DoesNotExist"},)"
        R"({"key":"env","operator":"NotIn","values":["dev"]},{"key":"on","operator":"Exists"}]}}})");
    CHECK(selector_of(*selector) == "app=a,tier in (x,y),!old,env notin (dev),on");
}

TEST_CASE("quantities are read in every unit, and nonsense is none")
{
    CHECK(quantity("250m").value() == Approx(0.25));
    CHECK(quantity("1500000n").value() == Approx(0.0015));
    CHECK(quantity("2").value() == 2);
    CHECK(quantity("64Mi").value() == 67108864);
    CHECK(quantity("1.5Gi").value() == 1610612736);
    CHECK(quantity("12e3").value() == 12000);
    for (const auto* bad : {"", "x", "5 apples", "-1", "1Zi"})
        CHECK_FALSE(quantity(bad));
}
