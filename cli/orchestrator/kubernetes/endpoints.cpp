// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/settings.hpp"
#include "cli/orchestrator/kubernetes/workload_api.hpp"
#include "core/kube/discovery.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

namespace conduit::kubernetes {
namespace {

const kube::Resource k_services{.plural = "services"};

std::string text(const Json& object, std::string_view key)
{
    return json_string_or(object, key, "");
}

std::string selector_text(const Json& service)
{
    std::vector<std::string> parts;
    for (const auto& [key, value] : member(member(service, "spec"), "selector").items())
        parts.push_back(fmt::format("{}={}", key, value.is_string() ? value.get<std::string>() : ""));
    return join(parts, ",");
}

std::vector<std::string> ports_of(const Json& slice)
{
    std::vector<std::string> out;
    for (const auto& port : list_of(slice, "ports")) {
        const auto name = text(port, "name");
        out.push_back(fmt::format("{}{}/{}", name.empty() ? "" : name + " ",
                                  static_cast<int>(json_number_or(port, "port", 0)),
                                  json_string_or(port, "protocol", "TCP")));
    }
    return out;
}

// v1 says nodeName, v1beta1 says it in the topology. A condition that is absent: ready means yes.
EndpointAddress address_of(const Json& endpoint, const std::string& address,
                           const std::vector<std::string>& ports)
{
    const auto& conditions = member(endpoint, "conditions");
    const auto& target = member(endpoint, "targetRef");
    auto node = text(endpoint, "nodeName");
    if (node.empty())
        node = text(member(endpoint, "topology"), "kubernetes.io/hostname");
    return {.address = address,
            .instance = text(target, "kind") == "Pod" ? text(target, "name") : "",
            .node = std::move(node),
            .ports = ports,
            .ready = json_bool_or(conditions, "ready", true),
            .terminating = json_bool_or(conditions, "terminating", false),
            .problem = {}};
}

// One address may be in several slices, one for each family or set of ports.
void add_slice(const Json& slice, std::vector<EndpointAddress>& out)
{
    const auto ports = ports_of(slice);
    for (const auto& endpoint : list_of(slice, "endpoints"))
        for (const auto& address : list_of(endpoint, "addresses")) {
            if (!address.is_string())
                continue;
            auto one = address_of(endpoint, address.get<std::string>(), ports);
            const auto known = std::ranges::find(out, one.address, &EndpointAddress::address);
            if (known == out.end()) {
                out.push_back(std::move(one));
                continue;
            }
            known->ready = known->ready || one.ready;
            for (const auto& port : ports)
                if (std::ranges::find(known->ports, port) == known->ports.end())
                    known->ports.push_back(port);
        }
}

// The ports by name that a service sends to and that none of these pods has.
std::vector<std::string> missing_ports(const Json& service, const std::vector<JsonBox>& pods)
{
    std::set<std::string> has;
    for (const auto& pod : pods)
        for (const auto& container : list_of(member(*pod, "spec"), "containers"))
            for (const auto& port : list_of(container, "ports"))
                has.insert(text(port, "name"));
    std::vector<std::string> out;
    for (const auto& port : list_of(member(service, "spec"), "ports"))
        if (const auto* target = json_find(port, "targetPort");
            target != nullptr && target->is_string() && !has.contains(target->get<std::string>()))
            out.push_back(target->get<std::string>());
    return out;
}

class KubernetesEndpoints final : public Endpoints {
  public:
    KubernetesEndpoints(std::shared_ptr<kube::Api> api, std::string name_space, fs::path cache)
        : api_(std::move(api)), cluster_(*api_, std::move(name_space), std::move(cache))
    {
    }

    Result<std::vector<std::string>> services(Deadline deadline) override
    {
        std::vector<std::string> names;
        TRY(api_->list(
            kube::resource_path(k_services, cluster_.name_space()), {},
            [&](const Json& item) { names.push_back(name_of(item)); }, [&] { names.clear(); }, deadline));
        return names;
    }

    Result<ServiceEndpoints> of(const std::string& name, Deadline deadline) override
    {
        TRY_ASSIGN(const auto service, find(name, deadline));
        ServiceEndpoints out{.service = name,
                             .type = json_string_or(member(*service, "spec"), "type", "ClusterIP"),
                             .selector = selector_text(*service),
                             .addresses = {},
                             .ready_instances = {},
                             .reason = {},
                             .cause_hint = {}};
        TRY_ASSIGN(const auto slices,
                   cluster_.discovery().prefer(kube::k_endpoint_slices, "endpointslices", deadline));
        TRY(api_->list(
            kube::resource_path(slices, cluster_.name_space()),
            {{"labelSelector", "kubernetes.io/service-name=" + name}},
            [&](const Json& slice) { add_slice(slice, out.addresses); }, [&] { out.addresses.clear(); },
            deadline));
        std::ranges::sort(out.addresses, {}, &EndpointAddress::address);
        std::vector<JsonBox> pods;
        if (!out.selector.empty()) {
            TRY_ASSIGN(pods, cluster_.pods(out.selector, deadline));
        }
        compare(pods, out);
        if (std::ranges::none_of(out.addresses, &EndpointAddress::ready))
            explain(*service, pods, out);
        return out;
    }

  private:
    Result<JsonBox> find(const std::string& name, Deadline deadline)
    {
        auto service = api_->get(kube::resource_path(k_services, cluster_.name_space(), name), deadline);
        if (service || service.error().kind != ErrorKind::not_found)
            return service;
        const auto names = services(deadline);
        return fail(ErrorKind::not_found,
                    unknown_name(fmt::format("service in namespace {}", cluster_.name_space()), name,
                                 names ? *names : std::vector<std::string>{}),
                    "Look at what runs: conduitctl ps");
    }

    static void compare(const std::vector<JsonBox>& pods, ServiceEndpoints& out)
    {
        for (const auto& pod : pods) {
            const auto instance = instance_of(*pod);
            if (instance.ready)
                out.ready_instances.push_back(instance.name);
            for (auto& address : out.addresses)
                if (address.instance == instance.name && !address.ready)
                    address.problem =
                        instance.problem.empty() ? std::string(state_name(instance.state)) : instance.problem;
        }
        std::ranges::sort(out.ready_instances);
    }

    static void explain(const Json& service, const std::vector<JsonBox>& pods, ServiceEndpoints& out)
    {
        if (out.type == "ExternalName") {
            out.reason =
                fmt::format("it is another name for {}", text(member(service, "spec"), "externalName"));
            return;
        }
        if (out.selector.empty()) {
            out.reason = "it has no selector, so that somebody else has to write its endpoints";
            return;
        }
        if (pods.empty()) {
            out.reason = fmt::format("no pod has the labels {}", out.selector);
            out.cause_hint = "conduitctl ps";
            return;
        }
        const auto missing = missing_ports(service, pods);
        std::vector<std::string> waiting;
        for (const auto& pod : pods) {
            const auto instance = instance_of(*pod);
            if (!instance.ready)
                waiting.push_back(fmt::format(
                    "{}: {}", instance.name,
                    instance.problem.empty() ? std::string(state_name(instance.state)) : instance.problem));
        }
        if (waiting.size() == pods.size()) {
            out.reason = fmt::format("none of its {} pods is ready ({})", pods.size(), join(waiting, "; "));
            out.cause_hint = fmt::format("conduitctl logs {}", instance_of(*pods.front()).name);
        } else if (!missing.empty()) {
            out.reason = fmt::format("no container has a port named {}", join(missing, ", "));
        } else {
            out.reason = "its endpoints have not been written yet";
        }
    }

    std::shared_ptr<kube::Api> api_;
    WorkloadApi cluster_;
};

} // namespace

std::unique_ptr<Endpoints> make_endpoints(std::shared_ptr<kube::Api> api, std::string name_space,
                                          fs::path cache)
{
    return std::make_unique<KubernetesEndpoints>(std::move(api), std::move(name_space), std::move(cache));
}

} // namespace conduit::kubernetes
