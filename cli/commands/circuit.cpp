// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/support.hpp"
#include "cli/targets/control_target.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct CircuitOptions {
    std::string provider;
    bool if_healthy = false;
    ops::ChangeOptions change;
};

// One row a replica and provider: a circuit is each replica's own.
Result<Report> show(App& app)
{
    TRY_ASSIGN(const auto all, get_all(app, "/admin/v1/providers"));
    Json rows = Json::array();
    for (const auto& [replica, body] : all.bodies)
        for (const auto& item : (*body)["items"])
            rows.push_back({{"name", json_string_or(item, "name", "")},
                            {"replica", replica},
                            {"circuit", json_string_or(item, "circuit", "")},
                            {"opens_in_ms", json_number_or(item, "circuit_opens_in_ms", 0)},
                            {"health", item.value("health", Json())},
                            {"last_error", json_string_or(item, "last_error", "")}});
    using enum Column::Format;
    auto report = list_report(rows, {{.head = "PROVIDER", .field = "name"},
                                     {.head = "REPLICA", .field = "replica"},
                                     {.head = "CIRCUIT", .field = "circuit"},
                                     {.head = "NEXT-TRY", .field = "opens_in_ms", .format = milliseconds},
                                     {.head = "HEALTH", .field = "health", .format = ratio3},
                                     {.head = "LAST-ERROR", .field = "last_error", .wide_only = true}});
    for (const auto& [replica, error] : all.failed)
        report.notes.push_back(fmt::format("{}: {}", replica, error.message));
    report.verdict = all.failed.empty() ? ErrorKind::ok : ErrorKind::unknown;
    return report;
}

Result<Report> reset(App& app, const CircuitOptions& o)
{
    TRY(provider_item(app, o.provider));
    if (o.if_healthy) {
        TRY_ASSIGN(const auto probe,
                   post(app, "/admin/v1/providers/" + o.provider + "/test", Json{{"billed", false}}));
        if (!json_bool_or(*probe, "ok", false))
            return fail(
                ErrorKind::refused,
                fmt::format("{} still fails its probe: {}", o.provider, json_string_or(*probe, "error", "")),
                "Look at it first: conduitctl provider show " + o.provider);
    }
    const auto path = provider_path(o.provider, "circuit_epoch");
    TRY_ASSIGN(const auto values, read_paths(app, {path}));
    const auto& now = *values.at(path).effective;
    ControlChange change;
    change.verb = "circuit reset";
    change.scope = "providers";
    change.resource = "circuit/" + o.provider;
    change.summary = "close the circuit of " + o.provider;
    change.tier = ops::Tier::mild;
    change.fields = {{path, Json((now.is_number() ? now.get<std::int64_t>() : 0) + 1)}};
    change.shown = "→ closed in every replica";
    change.verify = "the circuit is closed in every replica";
    change.undo = "none: a circuit opens by itself when the provider fails";
    change.reversible = false;
    return change_control(app, std::move(change), o.change);
}

} // namespace

Noun circuit()
{
    return {
        .name = "circuit",
        .summary = "See and close circuit breakers",
        .group = Group::routing,
        .verbs = {
            verb({.name = "show",
                  .summary = "Show each replica's circuit breakers",
                  .examples = {"conduitctl circuit show"},
                  .backends = {"agent"}},
                 show),
            verb<CircuitOptions>(
                {.name = "reset",
                 .summary = "Close a provider's circuit in every replica",
                 .effect = Effect::change,
                 .tier = Tier::mild,
                 .undo = Undo::none,
                 .examples = {"conduitctl circuit reset openai --if-healthy"},
                 .omitted = {{ErrorKind::rolled_back, "it cannot be taken back: 10"}},
                 .covers = {"E-err-circuit-1"},
                 .backends = {"agent"}},
                [](Flags& f, CircuitOptions& o) {
                    f.arg("PROVIDER", o.provider, "Provider, as provider ls names it").complete(k_providers);
                    f.flag("--if-healthy", o.if_healthy, "Only when its probe passes now");
                    change_flags(f, o.change);
                },
                reset),
        }};
}

} // namespace conduit::commands
