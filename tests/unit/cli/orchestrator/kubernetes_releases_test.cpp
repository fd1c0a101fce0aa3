// SPDX-License-Identifier: Apache-2.0
// Settings as places in documents, revisions, events and room: all without a server, or with one in memory.
#include "cli/orchestrator/kubernetes/autoscalers.hpp"
#include "cli/orchestrator/kubernetes/capacity.hpp"
#include "cli/orchestrator/kubernetes/events.hpp"
#include "cli/orchestrator/kubernetes/releases.hpp"
#include "cli/orchestrator/kubernetes/revisions.hpp"
#include "cli/orchestrator/kubernetes/rollout_wait.hpp"
#include "cli/orchestrator/kubernetes/workload_settings.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_workloads.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::kubernetes;
using namespace conduit::test;

namespace {

Json document(const std::string& text)
{
    return parse_json(text).value();
}

const Json& deployment()
{
    static const Json object = document(R"({"metadata":{"name":"agent","uid":"u1","generation":3},
        "spec":{"replicas":2,"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%"}},
          "template":{"metadata":{"labels":{"app":"agent"}},"spec":{
            "initContainers":[{"name":"init","image":"i:1"}],
            "containers":[{"name":"main","image":"a:1","resources":{"limits":{"memory":"1Gi"}}},
                          {"name":"side","image":"s:1"}]}}}})");
    return object;
}

Result<Json> read(const Json& object, const std::string& path)
{
    return read_setting(object, parse_setting(path).value());
}

Json edited(Json object, const std::string& path, const Json& value)
{
    REQUIRE(edit_setting(object, parse_setting(path).value(), value));
    return object;
}

} // namespace

TEST_CASE("a setting is read where it stands, and null where nothing is set")
{
    CHECK(read(deployment(), "workloads/agent/image/main").value() == "a:1");
    CHECK(read(deployment(), "workloads/agent/image/init").value() == "i:1");
    CHECK(read(deployment(), "workloads/agent/resources/main/limits.memory").value() == "1Gi");
    CHECK(read(deployment(), "workloads/agent/resources/side/limits.memory")->is_null());
    CHECK(read(deployment(), "workloads/agent/paused").value() == false);
    CHECK(read(deployment(), "workloads/agent/strategy/max_surge").value() == "25%");
    CHECK(read(deployment(), "workloads/agent/strategy/max_unavailable")->is_null());
    const auto unknown = read(deployment(), "workloads/agent/image/mian");
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().kind == ErrorKind::not_found);
    CHECK(unknown.error().message.contains("init, main, side") == false); // init containers come last
    CHECK(unknown.error().message.contains("main, side, init"));
    for (const auto* bad : {"", "workloads", "workloads/agent", "workloads//paused", "workloads/agent/nodes",
                            "workloads/agent/resources/main/memory", "workloads/agent/resources/main/limits.",
                            "autoscalers/a/b", "pods/a/b"})
        CHECK_FALSE(parse_setting(bad));
}

TEST_CASE("an edit and its opposite leave the object as it was, and a patch says only what differs")
{
    const struct {
        const char* path;
        Json value, before;
    } cases[] = {{"workloads/agent/image/side", "s:2", "s:1"},
                 {"workloads/agent/paused", true, false},
                 {"workloads/agent/resources/main/limits.cpu", "500m", nullptr},
                 {"workloads/agent/resources/main/limits.memory", nullptr, "1Gi"},
                 {"workloads/agent/strategy/max_unavailable", 0, nullptr}};
    for (const auto& one : cases) {
        INFO(one.path);
        const auto after = edited(deployment(), one.path, one.value);
        CHECK(read(after, one.path).value() == one.value);
        CHECK(canonical_json(edited(after, one.path, one.before)) == canonical_json(deployment()));
        Json patched = deployment();
        patched.merge_patch(merge_diff(deployment(), after));
        CHECK(canonical_json(patched) == canonical_json(after));
    }
    CHECK(merge_diff(deployment(), deployment()).empty());
    const auto paused = edited(deployment(), "workloads/agent/paused", true);
    CHECK(merge_diff(deployment(), paused) == Json{{"spec", {{"paused", true}}}});
    CHECK(merge_diff(paused, deployment()) == Json{{"spec", {{"paused", nullptr}}}});
}

TEST_CASE("the aim of an autoscaler is a number in v1 and a metric later, and other metrics stay")
{
    const auto v1 = document(R"({"apiVersion":"autoscaling/v1","spec":{"minReplicas":2,"maxReplicas":5}})");
    const auto by_number = edited(v1, "autoscalers/a/cpu", 70);
    CHECK(by_number["spec"]["targetCPUUtilizationPercentage"] == 70);
    const auto v2 = document(R"({"apiVersion":"autoscaling/v2beta2","spec":{"maxReplicas":5,"metrics":[
        {"type":"Pods","pods":{"metric":{"name":"queue"},"target":{"type":"AverageValue","averageValue":"10"}}}]}})");
    const auto by_metric = edited(v2, "autoscalers/a/cpu", 70);
    CHECK(by_metric["spec"]["metrics"].size() == 2);
    CHECK(read(by_metric, "autoscalers/a/cpu").value() == 70);
    CHECK(canonical_json(edited(by_metric, "autoscalers/a/cpu", nullptr)) == canonical_json(v2));
    const auto read_back = autoscaler_of(by_metric);
    CHECK(read_back.cpu == 70);
    CHECK(read_back.min == 1);
    CHECK(read_back.other == std::vector<std::string>{"Pods queue averageValue 10"});
    const auto limited = autoscaler_of(document(R"({"status":{"conditions":[
        {"type":"AbleToScale","status":"True"},
        {"type":"ScalingActive","status":"False","reason":"FailedGetResourceMetric","message":"no metrics"},
        {"type":"ScalingLimited","status":"True","reason":"TooManyReplicas","message":"at the maximum"}]}})"));
    CHECK(limited.problems ==
          std::vector<std::string>{"FailedGetResourceMetric: no metrics", "TooManyReplicas: at the maximum"});
}

TEST_CASE("what makes an autoscaler anew has none of what the server and we add")
{
    const auto kept = kept_autoscaler(document(R"({"metadata":{"name":"a","uid":"x","labels":{"team":"voice"},
        "annotations":{"conduit.dev/operations":"k","autoscaling.alpha.kubernetes.io/conditions":"[]",
                       "autoscaling.alpha.kubernetes.io/metrics":"[]"}},
        "spec":{"maxReplicas":5},"status":{"currentReplicas":2}})"));
    CHECK(kept == document(R"({"labels":{"team":"voice"},
        "annotations":{"autoscaling.alpha.kubernetes.io/metrics":"[]"},"spec":{"maxReplicas":5}})"));
}

TEST_CASE("an event of either form has its last time and its count")
{
    const auto old = event_of(document(R"({"type":"Warning","reason":"BackOff","count":7,
        "involvedObject":{"kind":"Pod","name":"agent-1"},"message":" back-off\u001b[31m ",
        "firstTimestamp":"2026-11-22T10:00:00Z","lastTimestamp":"2026-11-22T10:30:00Z"})"));
    CHECK(old.warning);
    CHECK(old.count == 7);
    CHECK(old.first == parse_time("2026-11-22T10:00:00Z").value());
    CHECK(old.last == parse_time("2026-11-22T10:30:00Z").value());
    CHECK(old.message == "back-off\\x1b[31m");
    const auto series = event_of(document(R"({"type":"Normal","lastTimestamp":null,"count":null,
        "eventTime":"2026-11-22T10:00:00.000000Z",
        "series":{"count":3,"lastObservedTime":"2026-11-22T10:05:00.000000Z"}})"));
    CHECK(series.count == 3);
    CHECK(series.last == parse_time("2026-11-22T10:05:00Z").value());
    const auto bare = event_of(document(R"({"metadata":{"creationTimestamp":"2026-11-22T10:00:00Z"}})"));
    CHECK(bare.count == 1);
    CHECK(bare.last == parse_time("2026-11-22T10:00:00Z").value());
    CHECK(event_of(Json()).last == WallTime{});
    CHECK(event_of(document(R"({"count":-4,"series":"x","metadata":[]})")).count == 1);
}

TEST_CASE("a limit without a request is reserved, and selectors choose by labels and expressions")
{
    const auto resources = resources_of(member(member(deployment()["spec"], "template"), "spec"));
    REQUIRE(resources.size() == 2);
    CHECK(need_of(resources).memory == 1073741824);
    CHECK(need_of(resources).cpu == 0);
    const auto labels = document(R"({"app":"agent","tier":"voice"})");
    CHECK(selects(document(R"({"matchLabels":{"app":"agent"}})"), labels));
    CHECK_FALSE(selects(document(R"({"matchLabels":{"app":"other"}})"), labels));
    CHECK(selects(document(R"({"matchExpressions":[{"key":"tier","operator":"In","values":["voice","x"]},
        {"key":"old","operator":"DoesNotExist"}]})"),
                  labels));
    CHECK_FALSE(selects(
        document(R"({"matchExpressions":[{"key":"tier","operator":"NotIn","values":["voice"]}]})"), labels));
    CHECK(selects(Json::object(), labels));
}

namespace {

struct Fixture {
    FakeCluster cluster;
    FakeWorkloads controller{cluster, "audio"};
    kube::Api api{cluster.transport(), system_clock()};
    WorkloadApi workloads{api, "audio"};
    std::unique_ptr<Releases> releases =
        make_releases(std::make_unique<kube::Api>(cluster.transport(), system_clock()), "audio", "c");

    Fixture() { controller.deploy("agent", 2); }
    Deadline soon() { return Deadline(5s); }
    std::string path(const std::string& rest) { return "workloads/agent/" + rest; }
    void replica_set(const std::string& name, int number, const Json& pods)
    {
        Json labelled = pods;
        labelled["metadata"]["labels"]["pod-template-hash"] = name;
        cluster.put(
            "/apis/apps/v1/namespaces/audio/replicasets/" + name,
            {{"metadata",
              {{"labels", {{"pod-template-hash", name}}},
               {"annotations", {{"deployment.kubernetes.io/revision", std::to_string(number)}}},
               {"ownerReferences", {{{"uid", cluster.at(controller.path("agent"))["metadata"]["uid"]}}}}}},
             {"spec", {{"template", std::move(labelled)}}}});
    }
};

} // namespace

TEST_CASE_METHOD(Fixture, "settings and their key are written at once, once, and only over what was expected")
{
    const SettingsRequest request{.settings = {{path("paused"), Json(false), Json(true)},
                                               {path("strategy/max_surge"), Json(), Json(1)}},
                                  .key = "OP/1",
                                  .cause = "why"};
    REQUIRE(releases->write(request, soon()));
    const auto writes = [&] {
        return std::ranges::count_if(cluster.calls,
                                     [](const auto& call) { return call.starts_with("PATCH"); });
    };
    CHECK(writes() == 1);
    const auto object = cluster.at(controller.path("agent"));
    CHECK(object["spec"]["paused"] == true);
    CHECK(object["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 1);
    CHECK_FALSE(object["metadata"]["annotations"].contains("kubernetes.io/change-cause")); // no new pods
    REQUIRE(releases->write(request, soon()));
    CHECK(writes() == 1);
    CHECK(releases->was_written("OP/1", request.settings.front(), soon()).value());
    CHECK_FALSE(releases->was_written("OP/2", request.settings.front(), soon()).value());
    auto again = request;
    again.key = "OP/2";
    const auto stale = releases->write(again, soon());
    REQUIRE_FALSE(stale);
    CHECK(stale.error().kind == ErrorKind::stale);
    CHECK(stale.error().details.at("field") == path("paused"));
}

TEST_CASE_METHOD(Fixture, "a kept template comes back whole, and one that is pruned is not found")
{
    const Json now = cluster.at(controller.path("agent"))["spec"]["template"];
    Json old = now;
    old["spec"]["extra"] = "gone since";
    old["metadata"]["labels"]["app"] = "agent";
    replica_set("aaa", 1, old);
    replica_set("bbb", 2, now);
    const auto template_path = path("template");
    CHECK(*releases->read({&template_path, 1}, soon()).value().at(template_path) == "bbb");
    REQUIRE(releases->write(
        {.settings = {{template_path, Json("bbb"), Json("aaa")}}, .key = "OP/1", .cause = "back"}, soon()));
    const auto object = cluster.at(controller.path("agent"));
    CHECK(canonical_json(object["spec"]["template"]) == canonical_json(old));
    CHECK(object["metadata"]["annotations"]["kubernetes.io/change-cause"] == "back");
    const auto pruned =
        releases->write({.settings = {{template_path, Json("aaa"), Json("zzz")}}, .key = "OP/2"}, soon());
    REQUIRE_FALSE(pruned);
    CHECK(pruned.error().kind == ErrorKind::not_found);
    const auto moved =
        releases->write({.settings = {{template_path, Json("bbb"), Json("aaa")}}, .key = "OP/3"}, soon());
    CHECK(moved.error().kind == ErrorKind::stale);
}

TEST_CASE_METHOD(Fixture, "a pod of an older template that is stuck does not end the wait for the new one")
{
    const Json now = cluster.at(controller.path("agent"))["spec"]["template"];
    replica_set("new", 2, now);
    auto object = cluster.at(controller.path("agent"));
    object["status"]["updatedReplicas"] = 1;
    cluster.put(controller.path("agent"), object);
    const auto pods = controller.pods("agent");
    const auto folder = std::string("/api/v1/namespaces/audio/pods/");
    auto pod = cluster.at(folder + pods.at(0));
    pod["metadata"]["labels"]["pod-template-hash"] = "old";
    pod["metadata"]["ownerReferences"][0]["name"] = "agent-old";
    pod["status"] = document(R"({"phase":"Running","containerStatuses":[{"name":"main","state":{"waiting":
        {"reason":"CrashLoopBackOff"}}}]})");
    cluster.put(folder + pods.at(0), pod);
    const auto late = wait_for_rollout(workloads, controller.path("agent"), {}, Deadline(700ms));
    REQUIRE_FALSE(late);
    CHECK(late.error().kind == ErrorKind::unverified);
    pod["metadata"]["labels"]["pod-template-hash"] = "new";
    pod["metadata"]["ownerReferences"][0]["name"] = "agent-new";
    cluster.put(folder + pods.at(0), pod);
    const auto stuck = wait_for_rollout(workloads, controller.path("agent"), {}, Deadline(5s));
    REQUIRE_FALSE(stuck);
    CHECK(stuck.error().kind == ErrorKind::failed);
    CHECK(stuck.error().message.contains("CrashLoopBackOff"));
}

TEST_CASE_METHOD(Fixture, "a pod that was ready for a moment and died is no end of a rollout")
{
    const auto path = controller.path("agent");
    const auto pod_path = "/api/v1/namespaces/audio/pods/" + controller.pods("agent").at(0);
    const auto pod = cluster.at(pod_path);
    const auto say = [&](const Json& pod_status, int available) {
        auto changed = pod;
        changed["status"] = pod_status;
        cluster.put(pod_path, changed);
        auto object = cluster.at(path);
        object["status"]["availableReplicas"] = available;
        cluster.put(path, object);
    };
    say(document(R"({"phase":"Pending"})"), 1);
    std::vector<std::string> told;
    const auto ended = wait_for_rollout(
        workloads, path,
        [&](std::string_view line) {
            told.emplace_back(line);
            if (line.contains("1 available")) // ready soon, and the Deployment is complete
                say(pod["status"], 2);
            else if (line.contains("do they stay so"))
                say(document(R"({"phase":"Running","containerStatuses":[{"name":"main","restartCount":2,
                    "state":{"waiting":{"reason":"CrashLoopBackOff"}},
                    "lastState":{"terminated":{"exitCode":3}}}]})"),
                    1);
        },
        Deadline(20s));
    REQUIRE_FALSE(ended);
    CHECK(ended.error().kind == ErrorKind::failed);
    CHECK(ended.error().message.contains("CrashLoopBackOff: exit 3"));
    CHECK(std::ranges::any_of(told, [](const auto& line) { return line.contains("do they stay so"); }));
}

TEST_CASE_METHOD(Fixture, "an autoscaler is written in the first version that is served")
{
    CHECK(autoscaler_path(workloads, "agent", soon()).value() ==
          "/apis/autoscaling/v2beta2/namespaces/audio/horizontalpodautoscalers/agent");
    const auto whole = std::string("autoscalers/agent");
    CHECK(releases->read({&whole, 1}, soon()).value().at(whole)->is_null());
    const auto made = releases->new_autoscaler("agent", 2, 4, 70, soon()).value();
    const SettingsRequest create{.settings = {{whole, Json(), made}}, .key = "OP/1"};
    REQUIRE(releases->write(create, soon()));
    CHECK(canonical_json(*releases->read({&whole, 1}, soon()).value().at(whole)) == canonical_json(*made));
    CHECK(releases->was_written("OP/1", create.settings.front(), soon()).value());
    const SettingsRequest remove{.settings = {{whole, made, Json()}}, .key = "OP/2"};
    REQUIRE(releases->write(remove, soon()));
    CHECK(releases->was_written("OP/2", remove.settings.front(), soon()).value());
    CHECK_FALSE(releases->was_written("OP/1", create.settings.front(), soon()).value());
}
