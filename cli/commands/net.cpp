// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/net_ping.hpp"
#include "cli/commands/support.hpp"
#include "cli/orchestrator/endpoints.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct EndpointsOptions {
    std::string service;
};

Completer service_completer()
{
    return {.key = "services",
            .fetch = [](App& app, std::span<const std::string>) -> Result<std::vector<Candidate>> {
                TRY_ASSIGN(Endpoints * endpoints, app.endpoints());
                TRY_ASSIGN(const auto names, endpoints->services(app.deadline(2s)));
                std::vector<Candidate> out;
                for (const auto& name : names)
                    out.push_back({name, ""});
                return out;
            }};
}

std::string_view state_of(const EndpointAddress& address)
{
    if (address.terminating)
        return "terminating";
    return address.ready ? "ready" : "not-ready";
}

Json item_of(const EndpointAddress& address)
{
    Json item{{"address", address.address}, {"ports", join(address.ports, ",")}, {"state", state_of(address)},
              {"ready", address.ready},     {"instance", address.instance},      {"node", address.node}};
    item["problem"] = address.problem.empty() ? Json() : Json(address.problem);
    return item;
}

// Pods that are ready and get no traffic, and addresses of pods that are not: both lists are written by
// different controllers, one after the other.
std::vector<std::string> disagreements(const ServiceEndpoints& of)
{
    std::vector<std::string> out;
    for (const auto& instance : of.ready_instances)
        if (std::ranges::none_of(of.addresses,
                                 [&](const auto& a) { return a.ready && a.instance == instance; }))
            out.push_back(fmt::format("{} is ready and has no ready address", instance));
    for (const auto& address : of.addresses)
        if (address.ready && !address.instance.empty() && !of.selector.empty() &&
            std::ranges::find(of.ready_instances, address.instance) == of.ready_instances.end())
            out.push_back(fmt::format("{} gets traffic and is not ready", address.instance));
    return out;
}

Result<Report> endpoints(App& app, const EndpointsOptions& o)
{
    TRY_ASSIGN(Endpoints * source, app.endpoints());
    TRY_ASSIGN(const auto of, source->of(o.service, app.deadline(k_read_timeout)));
    Json items = Json::array();
    for (const auto& address : of.addresses)
        items.push_back(item_of(address));
    auto report = list_report(std::move(items), {{.head = "ADDRESS", .field = "address"},
                                                 {.head = "PORTS", .field = "ports"},
                                                 {.head = "STATE", .field = "state"},
                                                 {.head = "INSTANCE", .field = "instance"},
                                                 {.head = "NODE", .field = "node", .wide_only = true},
                                                 {.head = "PROBLEM", .field = "problem"}});
    report.name_field = "address";
    report.notes = disagreements(of);
    report.data->update({{"service", of.service},
                         {"type", of.type},
                         {"selector", of.selector},
                         {"ready", std::ranges::count_if(of.addresses, &EndpointAddress::ready)},
                         {"agree", report.notes.empty()}});
    (*report.data)["reason"] = of.reason.empty() ? Json() : Json(of.reason);
    if (of.reason.empty())
        return report;
    report.verdict = ErrorKind::breached;
    report.notes.insert(report.notes.begin(),
                        fmt::format("{} sends traffic nowhere: {}", of.service, of.reason));
    if (!of.cause_hint.empty())
        report.next = {of.cause_hint};
    return report;
}

} // namespace

Noun net()
{
    return {.name = "net",
            .summary = "Where traffic goes",
            .group = Group::seeing,
            .verbs = {ping_verb(),
                      verb<EndpointsOptions>(
                          {.name = "endpoints",
                           .summary = "Show the addresses a service sends traffic to",
                           .text = "Ready ones and those that are not, with their instances, as "
                                   "EndpointSlices say it. Exit 13 "
                                   "when no address is ready, with the reason.",
                           .examples = {"conduitctl net endpoints conduit-audio-service"},
                           .also = {ErrorKind::breached},
                           .covers = {"A-apx-4"},
                           .backends = {"kubernetes"}},
                          [](Flags& f, EndpointsOptions& o) {
                              f.arg("SERVICE", o.service, "The service").complete(service_completer());
                          },
                          endpoints)}};
}

} // namespace conduit::commands
