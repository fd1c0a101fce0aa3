// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/provider.hpp"
#include "cli/targets/control_target.hpp"
#include "core/url.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct SetOptions {
    std::string provider;
    std::optional<std::int64_t> max_connections;
    std::optional<std::int64_t> max_concurrent;
    std::optional<Duration> timeout;
    std::optional<Duration> first_byte_timeout;
    ops::ChangeOptions change;
};

void set_flags(Flags& flags, SetOptions& o)
{
    flags.arg("PROVIDER", o.provider, "Provider, as provider ls names it").complete(k_providers);
    flags.opt("--max-connections", o.max_connections, "Most connections to it, in each replica")
        .between(1, 100'000);
    flags.opt("--max-concurrent", o.max_concurrent, "Most requests at once, in each replica")
        .between(1, 100'000);
    flags.opt("--request-timeout", o.timeout, "Longest time for one request to it");
    flags.opt("--first-byte-timeout", o.first_byte_timeout, "Longest wait for its answer to begin");
    change_flags(flags, o.change);
}

Result<Report> set(App& app, const SetOptions& o)
{
    TRY(provider_item(app, o.provider));
    ControlChange change;
    const auto add = [&](std::string_view field, Json value) {
        change.fields.emplace_back(provider_path(o.provider, field), std::move(value));
    };
    if (o.max_connections)
        add("max_connections", *o.max_connections);
    if (o.max_concurrent)
        add("max_concurrent", *o.max_concurrent);
    if (o.timeout)
        add("timeout", format_duration(*o.timeout));
    if (o.first_byte_timeout)
        add("first_byte_timeout", format_duration(*o.first_byte_timeout));
    if (change.fields.empty())
        return fail(ErrorKind::usage, "nothing to set is given",
                    "Give a setting: conduitctl provider set openai --request-timeout 120s");
    change.verb = "provider set";
    change.scope = "providers";
    change.resource = "provider/" + o.provider;
    change.summary = "settings of provider " + o.provider;
    change.tier = ops::Tier::mild;
    change.watch = "conduitctl provider show " + o.provider;
    return change_control(app, std::move(change), o.change);
}

struct EndpointOptions {
    std::string provider;
    std::vector<std::string> regions; // NAME=URL
    std::string use;
    ops::ChangeOptions change;
};

void endpoint_flags(Flags& flags, EndpointOptions& o)
{
    flags.arg("PROVIDER", o.provider, "Provider, as provider ls names it").complete(k_providers);
    flags.rest("REGION=URL", o.regions, "Regional endpoints to add or replace; the others stay");
    flags.opt("--use", o.use, "Region whose endpoint takes the traffic").value("REGION");
    change_flags(flags, o.change);
}

Result<Report> endpoint(App& app, const EndpointOptions& o)
{
    TRY(provider_item(app, o.provider));
    ControlChange change;
    for (const auto& pair : o.regions) {
        const auto equals = pair.find('=');
        if (equals == std::string::npos || equals == 0)
            return fail(ErrorKind::usage, fmt::format("'{}' is not REGION=URL", pair),
                        "Write it as eu-west=https://eu.api.openai.com");
        TRY(parse_url(std::string_view(pair).substr(equals + 1)));
        change.fields.emplace_back(provider_path(o.provider, "regions/" + pair.substr(0, equals)),
                                   Json(pair.substr(equals + 1)));
    }
    if (!o.use.empty())
        change.fields.emplace_back(provider_path(o.provider, "region"), Json(o.use));
    if (change.fields.empty())
        return fail(
            ErrorKind::usage, "no endpoint is given",
            "Give one: conduitctl provider endpoint openai eu-west=https://eu.api.openai.com --use eu-west");
    change.verb = "provider endpoint";
    change.scope = "providers";
    change.resource = "provider/" + o.provider;
    change.summary = "endpoints of provider " + o.provider;
    change.watch = "conduitctl provider show " + o.provider;
    return change_control(app, std::move(change), o.change);
}

} // namespace

std::vector<Verb> provider_setting_verbs()
{
    std::vector<Verb> verbs;
    verbs.push_back(verb<SetOptions>({.name = "set",
                                      .summary = "Change a provider's limits and timeouts",
                                      .effect = Effect::change,
                                      .tier = Tier::mild,
                                      .undo = Undo::exact,
                                      .examples = {"conduitctl provider set openai --request-timeout 120s"},
                                      .covers = {"A-tune-timeout-2"},
                                      .backends = {"agent"}},
                                     set_flags, set));
    verbs.push_back(verb<EndpointOptions>(
        {.name = "endpoint",
         .summary = "Set regional endpoints and the one in use",
         .effect = Effect::change,
         .tier = Tier::moderate,
         .undo = Undo::exact,
         .text = "Endpoints that are not named stay as they are.",
         .examples = {"conduitctl provider endpoint openai eu-west=https://eu.api.openai.com --use eu-west"},
         .covers = {"E-perf-prov-3"},
         .backends = {"agent"}},
        endpoint_flags, endpoint));
    return verbs;
}

} // namespace conduit::commands
