// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fakes/fake_workloads.hpp"

#include "core/hash.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <utility>

namespace conduit::test {
namespace {

constexpr auto k_ready = R"({"phase":"Running","conditions":[{"type":"Ready","status":"True"}]})";

kube::Answer json_answer(int status, const Json& body)
{
    return {status, {}, dump_json(body)};
}

Json pod_of(const std::string& deployment, const std::string& hash, const Json& status)
{
    return {{"metadata",
             {{"labels", {{"app", deployment}, {"pod-template-hash", hash}}},
              {"ownerReferences",
               {{{"kind", "ReplicaSet"},
                 {"name", fmt::format("{}-{}", deployment, hash)},
                 {"controller", true}}}}}},
            {"spec", {{"containers", {{{"name", "main"}}}}, {"nodeName", "node1"}}},
            {"status", status}};
}

} // namespace

FakeWorkloads::FakeWorkloads(FakeCluster& cluster, std::string name_space)
    : cluster_(cluster), name_space_(std::move(name_space))
{
    cluster_.controllers = [this] { settle(); };
    cluster_.special = [this](const kube::Call& call) -> std::optional<kube::Answer> {
        const std::string_view path = std::string_view(call.path).substr(0, call.path.find('?'));
        if (path.ends_with("/eviction"))
            return evict(std::string(path.substr(0, path.rfind('/'))));
        if (path.ends_with("/log"))
            return kube::Answer{
                200, {}, "2026-11-22T14:04:00.000000001Z hello from " + std::string(path) + "\n"};
        return std::nullopt;
    };
}

std::string FakeWorkloads::path(const std::string& name) const
{
    return fmt::format("/apis/apps/v1/namespaces/{}/deployments/{}", name_space_, name);
}

void FakeWorkloads::deploy(const std::string& name, int replicas, std::string_view pod)
{
    names_.push_back(name);
    Json object{{"metadata", {{"generation", 1}}},
                {"spec",
                 {{"replicas", replicas},
                  {"selector", {{"matchLabels", {{"app", name}}}}},
                  {"template", {{"metadata", {{"labels", {{"app", name}}}}}}}}}};
    if (!pod.empty())
        object["spec"]["template"]["spec"] = parse_json(pod).value();
    cluster_.put(path(name), std::move(object));
    settle(name);
}

int FakeWorkloads::wanted(const std::string& name) const
{
    return cluster_.at(path(name))["spec"]["replicas"].get<int>();
}

void FakeWorkloads::set_wanted(const std::string& name, int replicas)
{
    auto object = cluster_.at(path(name));
    object["spec"]["replicas"] = replicas;
    cluster_.put(path(name), std::move(object));
    settle(name);
}

void FakeWorkloads::touch(const std::string& name)
{
    cluster_.put(path(name), cluster_.at(path(name)));
}

std::vector<std::string> FakeWorkloads::pods(const std::string& name) const
{
    const auto list = cluster_.handle({.path = fmt::format("/api/v1/namespaces/{}/pods", name_space_)});
    std::vector<std::string> names;
    const Json pods = parse_json(list.body).value();
    for (const auto& pod : pods["items"])
        if (pod["metadata"]["labels"]["app"] == name)
            names.push_back(pod["metadata"]["name"].get<std::string>());
    return names;
}

kube::Answer FakeWorkloads::evict(const std::string& pod_path)
{
    if (!budget_allows)
        return json_answer(429,
                           {{"kind", "Status"},
                            {"code", 429},
                            {"reason", "TooManyRequests"},
                            {"message", "Cannot evict pod as it would violate the pod's disruption budget."},
                            {"details", {{"causes", {{{"reason", "DisruptionBudget"}}}}}}});
    cluster_.remove(pod_path);
    settle();
    return json_answer(201, {{"kind", "Status"}, {"status", "Success"}});
}

void FakeWorkloads::settle()
{
    for (const auto& name : names_)
        settle(name);
}

void FakeWorkloads::settle(const std::string& name)
{
    auto object = cluster_.at(path(name));
    const auto hash = sha256_hex(canonical_json(object["spec"]["template"])).substr(0, 6);
    const auto replicas = object["spec"]["replicas"].get<std::size_t>();
    const auto folder = fmt::format("/api/v1/namespaces/{}/pods/", name_space_);
    std::vector<std::string> current;
    for (const auto& pod : pods(name)) {
        const bool wanted = cluster_.at(folder + pod)["metadata"]["labels"]["pod-template-hash"] == hash;
        if (wanted && current.size() < replicas)
            current.push_back(pod);
        else
            cluster_.remove(folder + pod);
    }
    while (current.size() < replicas) {
        const auto status = parse_json(new_pods.empty() ? k_ready : new_pods).value();
        current.push_back(fmt::format("{}-{}-{}", name, hash, ++serial_));
        cluster_.put(folder + current.back(), pod_of(name, hash, status));
    }
    std::size_t ready = 0;
    for (const auto& pod : current)
        ready += cluster_.at(folder + pod)["status"].contains("conditions") ? 1 : 0;
    const auto generation = object["metadata"]["generation"].get<int>() + 1;
    object["metadata"]["generation"] = generation;
    object["status"] = {{"observedGeneration", generation},
                        {"replicas", current.size()},
                        {"updatedReplicas", current.size()},
                        {"availableReplicas", ready},
                        {"readyReplicas", ready}};
    cluster_.put(path(name), std::move(object));
}

} // namespace conduit::test
