// SPDX-License-Identifier: Apache-2.0
// Looking into pods on a real cluster: who is reached from there, what they count, whether they are well.
#include "core/text.hpp"
#include "tests/contract/releases/cluster_world.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/wait.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::test;

namespace {

Json pods(const ClusterWorld& w, const std::string& app)
{
    return w.get(fmt::format("/api/v1/namespaces/{}/pods?labelSelector=app%3D{}", w.space, app))["items"];
}

bool is_ready(const Json& pod)
{
    for (const auto& condition : pod["status"].value("conditions", Json::array()))
        if (condition["type"] == "Ready")
            return condition["status"] == "True";
    return false;
}

// Ready until somebody puts a file there.
void deploy_touchy(const ClusterWorld& w, const std::string& name, int replicas)
{
    w.create(fmt::format("/apis/apps/v1/namespaces/{}/deployments", w.space),
             fmt::format(R"({{"metadata":{{"name":"{0}"}},"spec":{{"replicas":{1},
        "selector":{{"matchLabels":{{"app":"{0}"}}}},"template":{{"metadata":{{"labels":{{"app":"{0}"}}}},
        "spec":{{"terminationGracePeriodSeconds":0,"containers":[{{"name":"main","image":"{2}",
        "imagePullPolicy":"Never","args":["-c","sleep 3600"],"readinessProbe":{{"periodSeconds":1,
        "failureThreshold":1,"exec":{{"command":["sh","-c","test ! -e /tmp/bad"]}}}}}}]}}}}}}}})",
                         name, replicas, k_busybox));
    w.settled(name);
}

} // namespace

TEST_CASE("a Redis is pinged from inside of a pod, as kubectl exec would do it")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 1, k_busybox);
    w.deploy("redis", 1, k_busybox, "while true; do printf '+PONG\\r\\n' | nc -l -p 6379; done");
    w.settled("web");
    w.settled("redis");
    const auto address = pods(w, "redis")[0]["status"]["podIP"].get<std::string>();
    const auto reached = w.run({"net", "ping", "web", address, "--redis", "-o", "json"});
    INFO(reached.out << reached.err);
    CHECK(reached.code == 0);
    CHECK(reached.json()["answer"] == "PONG");
    const auto pod = pods(w, "web")[0]["metadata"]["name"].get<std::string>();
    CHECK(w.kubectl(
               {"exec", pod, "--", "sh", "-c", fmt::format("printf 'PING\\r\\n' | nc -w 3 {} 6379", address)})
              .out.contains("PONG"));
    CHECK(w.run({"net", "ping", "web", address + ":6379"}).code == 0);
    const auto nobody = w.run({"net", "ping", "web", address + ":1", "-o", "json"});
    CHECK(nobody.code == 13);
    CHECK(nobody.json()["reached"] == false);
}

TEST_CASE("a pod's own counters are read through its port, twice where growth is asked for")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 1, k_busybox,
             "mkdir -p /www; httpd -p 8080 -h /www; i=0; while true; do i=$((i+1)); "
             "printf 'dotnet_gc_collections_total 5\\ndotnet_gc_heap_bytes %s\\nother 1\\n' $((i*1000)) "
             ">/www/m; mv /www/m /www/metrics; sleep 1; done");
    w.settled("web");
    const Words words{"metrics", "get", "dotnet_gc", "--instance", "web", "--port", "8080", "-o", "json"};
    REQUIRE(eventually([&] { return w.run(words).code == 0; }, 30s));
    const auto items = w.run(words).json()["items"];
    CHECK(items.size() == 2);
    const auto pod = pods(w, "web")[0]["metadata"]["name"].get<std::string>();
    CHECK(
        w.kubectl({"exec", pod, "--", "cat", "/www/metrics"}).out.contains("dotnet_gc_collections_total 5"));
    auto twice = words;
    twice.insert(twice.end(), {"--between", "3s"});
    const auto grown = w.run(twice).json()["items"];
    for (const auto& item : grown)
        CHECK((item["name"] == "dotnet_gc_heap_bytes" ? item["change"] > 0 : item["change"] == 0));
    CHECK(w.run({"metrics", "get", "dotnet_gc", "--instance", "web", "--port", "8081"}).code == 6);
    CHECK(w.run({"metrics", "get", "tea", "--instance", "web", "--port", "8080"}).code == 12);
}

TEST_CASE("only the pod that is unhealthy is replaced, though its phase is Running, and a budget holds")
{
    CONDUIT_CLUSTER;
    deploy_touchy(w, "web", 3);
    const auto before = pods(w, "web");
    const auto bad = before[0]["metadata"]["name"].get<std::string>();
    CHECK(w.run({"restart", "--unhealthy", "--workload", "web", "-y", "-o", "json"}).json()["changed"] ==
          false);
    w.kubectl({"exec", bad, "--", "touch", "/tmp/bad"});
    REQUIRE(eventually(
        [&] { return std::ranges::any_of(pods(w, "web"), [](const Json& pod) { return !is_ready(pod); }); },
        30s));
    CHECK(w.run({"health", "pods"}).code == 13);
    const auto listed =
        w.kubectl({"get", "pods", "-l", "app=web", "--field-selector=status.phase!=Running", "-o", "name"});
    CHECK(listed.out.empty()); // what the page would have deleted
    CHECK(w.run({"restart", "--unhealthy", "--workload", "web", "-y", "-o", "json"}).json()["changed"] ==
          false); // not for long yet
    const auto replaced =
        w.run({"restart", "--unhealthy", "--unready-for", "1s", "--max", "1", "--workload", "web", "-y"});
    INFO(replaced.out << replaced.err);
    CHECK(replaced.code == 0);
    std::size_t same = 0;
    for (const auto& pod : pods(w, "web"))
        for (const auto& old : before)
            same += pod["metadata"]["uid"] == old["metadata"]["uid"] ? 1U : 0U;
    CHECK(same == 2);
    CHECK(w.get(fmt::format("/api/v1/namespaces/{}/pods/{}", w.space, bad)).is_null());
    CHECK(w.run({"health", "pods"}).code == 0);
}

TEST_CASE("the precheck of a rollout says which revision is the way back, and that none is kept")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 1, k_busybox);
    w.settled("web");
    const auto way_back = [&] {
        for (const auto& item :
             w.run({"rollout", "precheck", "--workload", "web", "-o", "json"}).json()["items"])
            if (item["name"] == "way back")
                return item;
        return Json();
    };
    const auto kept = way_back();
    INFO(dump_json(kept));
    CHECK(kept["verdict"] == "passed");
    CHECK(kept["detail"].get<std::string>().contains(k_busybox));
    CHECK(kept["detail"].get<std::string>().contains("sha256:"));
    CHECK(w.kubectl({"rollout", "history", "deployment/web"}).out.contains("1"));
    w.kubectl({"patch", "deployment", "web", "-p", R"({"spec":{"revisionHistoryLimit":0}})"});
    CHECK(way_back()["verdict"] == "failed");
    CHECK(w.run({"rollout", "precheck", "--workload", "web"}).code == 13);
}

TEST_CASE("the settings of speech in a ConfigMap are set as kubectl patch sets them")
{
    CONDUIT_CLUSTER;
    const Json data{{"OPENAI_TTS_MODEL", "tts-1-hd"},     {"TTS_PROVIDER", "azure"},
                    {"TTS_REQUEST_TIMEOUT", "60"},        {"TTS_MAX_RETRIES", "1"},
                    {"TTS_CACHE_ENABLED", "false"},       {"TTS_CHILD_SAFETY", "false"},
                    {"AUDIO_SAFETY_STRICT_MODE", "false"}};
    const Json wanted{{"OPENAI_TTS_MODEL", "tts-1"},       {"TTS_PROVIDER", "openai"},
                      {"TTS_REQUEST_TIMEOUT", "30"},       {"TTS_MAX_RETRIES", "3"},
                      {"TTS_CACHE_ENABLED", "true"},       {"TTS_CHILD_SAFETY", "true"},
                      {"AUDIO_SAFETY_STRICT_MODE", "true"}};
    const auto folder = fmt::format("/api/v1/namespaces/{}/configmaps", w.space);
    for (const auto* name : {"tts-config", "twin"})
        w.create(folder, dump_json(Json{{"metadata", {{"name", name}}}, {"data", data}}));
    Words words{"config", "set", "--map", "tts-config", "-y"};
    for (const auto& [key, value] : wanted.items())
        words.push_back(key + "=" + value.get<std::string>());
    const auto set = w.run(words);
    INFO(set.out << set.err);
    CHECK(set.code == 0);
    w.kubectl({"patch", "configmap", "twin", "--type=merge", "-p", dump_json(Json{{"data", wanted}})});
    CHECK(w.get(folder + "/tts-config")["data"] == w.get(folder + "/twin")["data"]);
    const auto read = w.run({"config", "get", "TTS_CHILD_SAFETY", "--map", "tts-config", "-o", "json"});
    INFO(read.out << read.err);
    CHECK(read.out.contains("true"));
}
