// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/streams_world.hpp"

#include "core/text.hpp"
#include "core/ulid.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace conduit::test {
namespace {

const kube::Resource k_spaces{.plural = "namespaces", .namespaced = false};
const kube::Resource k_pods{.plural = "pods"};

Json container(const std::string& name)
{
    const auto* script = "mkdir -p /t /www; echo 'hello from the pod' >/www/hello; "
                         "[ $WHO = side ] || { httpd -p 8080 -h /www; nc -ll -p 9000 -e /bin/sh -c cat & }; "
                         "while :; do sleep 1; done";
    return {{"name", name},
            {"image", "conduit.test/busybox:1"},
            {"imagePullPolicy", "Never"},
            {"env", Json::array({{{"name", "WHO"}, {"value", name}}})},
            {"command", Json::array({"sh", "-c", script})}};
}

Json pod_spec()
{
    auto main = container("main");
    main["readinessProbe"] = {{"tcpSocket", {{"port", 8080}}}, {"periodSeconds", 1}};
    return {{"terminationGracePeriodSeconds", 1}, {"containers", Json::array({main, container("side")})}};
}

std::unique_ptr<InstanceStreams> streams_of(const kube::Access& access, const std::string& space)
{
    const auto credentials = [&] { return kube::make_credentials(access, system_clock()); };
    return kubernetes::make_instance_streams(
        std::make_unique<kube::Api>(kube::make_transport(access, credentials()), system_clock()),
        kube::make_streams(access, credentials()), space);
}

template <class T> T must(Result<T> result)
{
    if (!result)
        throw std::runtime_error(result.error().message);
    return *std::move(result);
}

} // namespace

bool StreamsWorld::available()
{
    return std::getenv("CONDUIT_TEST_KUBECONFIG") != nullptr;
}

StreamsWorld& StreamsWorld::get()
{
    static StreamsWorld world;
    return world;
}

StreamsWorld::StreamsWorld()
    : space("streams-" + to_lower(make_ulid(system_clock().now()).substr(10))),
      kubeconfig(std::getenv("CONDUIT_TEST_KUBECONFIG")),
      access_(must(kube::find_access({.only = kubeconfig}, ""))),
      api_(std::make_unique<kube::Api>(
          kube::make_transport(access_, kube::make_credentials(access_, system_clock())), system_clock()))
{
    must(api_->create(kube::resource_path(k_spaces, ""), Json{{"metadata", {{"name", space}}}}, {},
                      Deadline(20s)));
    streams = streams_of(access_, space);
    make_pod("box");
    box = must(streams->place("box", "main", Deadline(20s)));
}

StreamsWorld::~StreamsWorld()
{
    (void)api_->remove(kube::resource_path(k_spaces, "", space), Json::object(), Deadline(20s)).has_value();
}

std::unique_ptr<InstanceStreams> StreamsWorld::as(const std::string& user) const
{
    auto access = access_;
    access.user.impersonate = user;
    return streams_of(access, space);
}

bool StreamsWorld::ready(const std::string& name)
{
    const auto place = streams->place(name, "", Deadline(10s));
    return place && place->ready;
}

void StreamsWorld::make_pod(const std::string& name)
{
    const auto path = kube::resource_path(k_pods, space);
    // The namespace's account comes a moment after it.
    const auto made = [&] {
        return api_
            ->create(path, Json{{"metadata", {{"name", name}}}, {"spec", pod_spec()}}, {}, Deadline(20s))
            .has_value();
    };
    if (!eventually(made, 30s) || !eventually([&] { return ready(name); }, 60s))
        throw std::runtime_error("the pod " + name + " does not become ready");
}

void StreamsWorld::remove_pod(const std::string& name)
{
    (void)api_
        ->remove(kube::resource_path(k_pods, space, name), Json{{"gracePeriodSeconds", 0}}, Deadline(20s))
        .has_value();
}

void StreamsWorld::make_deployment(const std::string& name)
{
    const Json labels{{"app", name}};
    const Json object{{"metadata", {{"name", name}}},
                      {"spec",
                       {{"replicas", 1},
                        {"selector", {{"matchLabels", labels}}},
                        {"template", {{"metadata", {{"labels", labels}}}, {"spec", pod_spec()}}}}}};
    must(api_->create(kube::resource_path({.group = "apps", .plural = "deployments"}, space), object, {},
                      Deadline(20s)));
    if (!eventually([&] { return ready(name); }, 60s))
        throw std::runtime_error("the deployment " + name + " does not become ready");
}

std::optional<ProcessResult> StreamsWorld::kubectl(std::vector<std::string> words) const
{
    std::vector<std::string> argv{"kubectl", "--kubeconfig", kubeconfig, "-n", space};
    const auto* home = std::getenv("HOME");
    if (const auto built = fs::path(home == nullptr ? "/" : home) / ".cache/conduit-cluster/bin/kubectl";
        fs::exists(built))
        argv.front() = built.string();
    argv.insert(argv.end(), words.begin(), words.end());
    const auto ran = run_process({.argv = argv, .env = {}, .stdin_bytes = {}, .cwd = {}}, Deadline(60s));
    return ran ? std::optional(*ran) : std::nullopt;
}

} // namespace conduit::test
