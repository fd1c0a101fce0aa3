// SPDX-License-Identifier: Apache-2.0
// Instances, their logs, use and dumps, stop and start on a real cluster, beside kubectl.
#include "core/text.hpp"
#include "tests/contract/releases/cluster_world.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/wait.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <thread>

using namespace conduit;
using namespace conduit::test;

namespace {

Json pods(const ClusterWorld& w, const std::string& app)
{
    return w.get(fmt::format("/api/v1/namespaces/{}/pods?labelSelector=app%3D{}", w.space, app))["items"];
}

std::vector<std::string> names_of(const Json& items)
{
    std::vector<std::string> out;
    for (const auto& item : items)
        out.push_back(item.contains("metadata") ? item["metadata"]["name"].get<std::string>()
                                                : item["name"].get<std::string>());
    std::ranges::sort(out);
    return out;
}

std::vector<std::string> sorted_lines(const std::string& text)
{
    auto lines = split(text, '\n');
    std::erase(lines, "");
    std::ranges::sort(lines);
    return lines;
}

int wanted(const ClusterWorld& w, const std::string& name)
{
    return w.deployment(name)["spec"]["replicas"].get<int>();
}

// Of each line what stands behind the pod's name.
std::string without_pods(const std::string& text)
{
    std::string out;
    for (const auto& line : split(text, '\n'))
        if (const auto blank = line.find(' '); blank != std::string::npos)
            out += line.substr(blank + 1) + "\n";
    return out;
}

} // namespace

TEST_CASE("ps names the pods that kubectl names, of a workload and of all")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 3, k_pause);
    w.deploy("redis", 1, k_pause);
    w.settled("web");
    w.settled("redis");
    const auto listed = w.run({"ps", "web", "-o", "json"}).json();
    CHECK(names_of(listed["items"]) == names_of(pods(w, "web")));
    for (const auto& item : listed["items"])
        CHECK(item["ready"] == true);
    const auto by_name = w.kubectl({"get", "pods", "-o", "name"}).out;
    CHECK(sorted_lines(replace_all(by_name, "pod/", "")) ==
          names_of(w.run({"ps", "-o", "json"}).json()["items"]));
}

TEST_CASE("wait sees what kubectl wait sees, and a pod that never starts at once")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 3, k_pause);
    const auto waited = w.run({"wait", "web", "--for", "replicas=3", "--timeout", "60s", "-o", "json"});
    INFO(waited.err);
    CHECK(waited.code == 0);
    w.kubectl({"wait", "--for=condition=Ready", "pod", "-l", "app=web", "--timeout=1s"});
    CHECK(w.run({"wait", "web", "--for", "replicas=4"}).code == 13);
    w.deploy("broken", 1, k_busybox, "exit 3");
    const auto began = std::chrono::steady_clock::now();
    const auto broken = w.run({"wait", "broken", "--timeout", "100s", "-o", "json"});
    CHECK(broken.code == 13);
    CHECK(broken.json()["reason"].get<std::string>().contains("exit 3"));
    CHECK(std::chrono::steady_clock::now() - began < 90s);
    w.kubectl({"scale", "deployment/web", "--replicas=0"});
    CHECK(w.run({"wait", "web", "--for", "gone", "--timeout", "60s"}).code == 0);
    CHECK(pods(w, "web").empty());
}

TEST_CASE("stop leaves no pod and start the deployment that was there, with an autoscaler too")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 3, k_pause);
    w.settled("web");
    const auto before = w.spec_of("web");
    const auto stopped = w.run({"stop", "web", "--confirm", "web", "--reason", "restore", "-o", "json"});
    INFO(stopped.err);
    REQUIRE(stopped.code == 0);
    CHECK(wanted(w, "web") == 0);
    CHECK(pods(w, "web").empty()); // not even one that ends
    const auto started = w.run({"start", "web", "-y"});
    INFO(started.err);
    CHECK(started.code == 0);
    CHECK(w.spec_of("web") == before);
    CHECK_FALSE(w.deployment("web")["metadata"]["annotations"].contains("conduit.dev/remembered-replicas"));

    w.run({"stop", "web", "--confirm", "web", "--reason", "restore"});
    w.create(fmt::format("/apis/autoscaling/v1/namespaces/{}/horizontalpodautoscalers", w.space),
             R"({"metadata":{"name":"web"},"spec":{"minReplicas":4,"maxReplicas":5,
                 "scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"}}})");
    const auto bounded = w.run({"start", "web", "-y"});
    INFO(bounded.err);
    CHECK(bounded.code == 0);
    CHECK(wanted(w, "web") == 4); // three would be below its minimum
}

TEST_CASE("logs of all pods are those that kubectl gives, and errors are told by their level")
{
    CONDUIT_CLUSTER;
    constexpr auto k_script =
        "i=0; while [ $i -lt 20 ]; do echo \"info: A[0]\"; echo \"line $i\"; i=$((i+1)); "
        "done; echo 'fail: openai[0]'; echo '      no answer'; "
        "echo '{\"level\":\"error\",\"msg\":\"google\"}'; echo 'ERROR openai'; "
        "echo 'no error here'; sleep 3600";
    w.deploy("web", 6, k_busybox, k_script); // kubectl follows five at most
    w.settled("web");
    const auto ours = w.run({"logs", "web", "--all"});
    const auto theirs = w.kubectl({"logs", "-l", "app=web", "--tail=-1", "--prefix=false"});
    CHECK(sorted_lines(without_pods(ours.out)) == sorted_lines(theirs.out));
    const auto errors = w.run({"logs", "web", "--level", "error"});
    CHECK(sorted_lines(errors.out).size() == 6 * 4);
    CHECK_FALSE(errors.out.contains("no error here"));
    CHECK(sorted_lines(w.run({"logs", "web", "--level", "error", "--newest", "5"}).out).size() == 5);
    const auto counted =
        w.run({"logs", "web", "--level", "error", "--count", "openai", "--count", "google", "-o", "json"})
            .json();
    CHECK(counted["items"][0]["lines"] == 12);
    CHECK(counted["items"][1]["lines"] == 6);
    const auto none = w.run({"logs", "web", "--level", "fatal"});
    CHECK(none.code == 0);
    CHECK(none.out.empty());
    CHECK(none.err.contains("no line matches")); // never silent
}

TEST_CASE("following reaches every pod")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 6, k_busybox, "while true; do echo tick; sleep 1; done");
    w.settled("web");
    const auto followed = w.run({"logs", "web", "-f", "--tail", "1", "--timeout", "4s"});
    for (const auto& name : names_of(pods(w, "web")))
        CHECK(followed.out.contains(name));
}

TEST_CASE("the last words of a container that crashed are there with --previous")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 1, k_busybox, "echo \"ERROR run $(date +%s%N)\"; sleep 2; exit 1");
    REQUIRE(eventually(
        [&] {
            const auto all = pods(w, "web");
            return !all.empty() && all[0]["status"].value("containerStatuses", Json::array()).size() == 1 &&
                   all[0]["status"]["containerStatuses"][0]["restartCount"] >= 1;
        },
        60s));
    const auto both = w.run({"logs", "web", "--level", "error", "--previous"});
    INFO(both.out << both.err);
    CHECK(both.code == 0);
    CHECK(sorted_lines(both.out).size() >= 2);
}

TEST_CASE("top shows each container beside its limit")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 1, k_busybox, "while true; do :; done", true);
    w.settled("web");
    w.kubectl({"set", "resources", "deployment/web", "-c", "main", "--limits=memory=64Mi,cpu=200m"});
    w.settled("web");
    Json items;
    REQUIRE(eventually(
        [&] {
            const auto shown = w.run({"top", "web", "--containers", "-o", "json"}).json();
            items = shown.is_object() ? shown["items"] : Json::array();
            return items.size() == 2;
        },
        90s));
    CHECK(items[0]["container"] == "main");
    CHECK(items[0]["memory_limit_bytes"] == 64 << 20);
    CHECK(items[0]["memory_share"].get<double>() < 1);
    CHECK(items[1]["memory_limit_bytes"].is_null());
    const auto total = w.run({"top", "web", "-o", "json"}).json()["items"];
    CHECK(total.size() == 1);
}

TEST_CASE("a dump of a process in a pod is whole, private, and leaves nothing there")
{
    CONDUIT_CLUSTER;
    w.deploy(
        "web", 1, k_busybox,
        "mkdir -p /tools; printf '#!/bin/sh\\nhead -c 5000000 /dev/urandom >\"$2.$3\"; sha256sum \"$2.$3\" "
        ">/tmp/sum\\n' >/tools/gcore; chmod +x /tools/gcore; sleep 3600");
    w.deploy("bare", 1, k_busybox);
    w.settled("web");
    w.settled("bare");
    const auto folder = TempDir::make("conduit-dump").value();
    const auto out = (folder.path() / "heap").string();
    const auto bare = w.run({"dump", "bare", "--out", out, "-y"});
    CHECK(bare.code == 3);
    CHECK(bare.err.contains("dotnet-dump"));
    const auto dumped = w.run({"dump", "web", "--out", out, "-y", "-o", "json"});
    INFO(dumped.err);
    REQUIRE(dumped.code == 0);
    CHECK(dumped.json()["bytes"] == 5000000);
    const auto pod = names_of(pods(w, "web")).at(0);
    CHECK(w.kubectl({"exec", pod, "--", "cat", "/tmp/sum"})
              .out.starts_with(dumped.json()["sha256"].get<std::string>()));
    struct stat info{};
    REQUIRE(::stat(out.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0600U);
    CHECK(w.kubectl({"exec", pod, "--", "sh", "-c",
                     "ls -A /tmp /dumps /var/tmp 2>/dev/null | grep -c conduit; true"})
              .out.starts_with("0"));
    const auto threads = w.run({"dump", "bare", "--kind", "threads", "--out", out, "-y"});
    INFO(threads.err);
    CHECK(threads.code == 0);
    CHECK(read_file(out).value().contains("sleep"));
}

TEST_CASE("a floor on the replicas is held, and a ceiling warned of, unless someone gives a reason")
{
    CONDUIT_CLUSTER;
    w.deploy("web", 3, k_pause);
    w.settled("web");
    for (const auto* guard : {"min_replicas=3", "max_replicas=4"})
        REQUIRE(w.run({"context", "set", "guards." + split(guard, '=')[0], split(guard, '=')[1]}).code == 0);
    const auto below = w.run({"scale", "to", "2", "--workload", "web", "-y"});
    CHECK(below.code == 3);
    CHECK(below.err.contains("min_replicas = 3"));
    CHECK(w.run({"scale", "to", "9", "--workload", "web", "-y"}).code == 3);
    CHECK(wanted(w, "web") == 3);
    CHECK(w.run({"scale", "to", "2", "--workload", "web", "-y", "--force", "--reason", "a test"}).code == 0);
    CHECK(wanted(w, "web") == 2);
    CHECK(w.run({"scale", "max", "--workload", "web", "-y"}).code == 0);
    CHECK(wanted(w, "web") == 4);
}
