// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/provider.hpp"
#include "cli/targets/control_target.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

// A node brings a changed ConfigMap to its pods within about two minutes (the kubelet's sync period and its
// cache):
// https://kubernetes.io/docs/concepts/configuration/configmap/#mounted-configmaps-are-updated-automatically
constexpr Duration k_mounts_follow{180'000};

struct SwitchOptions {
    std::string provider;
    bool persist = false;
    std::optional<Duration> drain;
    ops::ChangeOptions change;
};

void switch_flags(Flags& flags, SwitchOptions& o)
{
    flags.arg("PROVIDER", o.provider, "Provider, as provider ls names it").complete(k_providers);
    flags.flag("--persist", o.persist,
               "In the agents' configuration file too, so that it outlives overrides");
    change_flags(flags, o.change);
}

struct Traffic {
    std::vector<std::string> names;
    std::vector<double> weights;     // 0 while disabled
    std::vector<std::string> quotas; // what the others have left, for the plan
};

Traffic read_traffic(const Json& items, const std::string& provider, bool enabled_then, bool then)
{
    Traffic traffic;
    for (const auto& item : items) {
        const auto name = json_string_or(item, "name", "");
        const bool enabled = then && name == provider ? enabled_then : json_bool_or(item, "enabled", true);
        traffic.names.push_back(name);
        traffic.weights.push_back(enabled ? json_number_or(item, "weight", 0) : 0);
    }
    return traffic;
}

// "google has 61 % of its quota left": the others' load grows, so what is known of their quotas is said
// beforehand.
std::string quota_line(const Json& items, const std::string& provider)
{
    std::string line;
    for (const auto& item : items) {
        const auto name = json_string_or(item, "name", "");
        const auto* quota = json_find(item, "quota");
        const double limit = quota != nullptr ? json_number_or(*quota, "limit", 0) : 0;
        if (name == provider || !json_bool_or(item, "enabled", true))
            continue;
        line += line.empty() ? "" : "; ";
        line += limit > 0 ? fmt::format("{} has {:.0f} % of its quota left", name,
                                        json_number_or(*quota, "remaining", 0) * 100 / limit)
                          : fmt::format("{} does not tell its quota", name);
    }
    return line;
}

Result<Report> switch_to(App& app, const SwitchOptions& o, bool enabled)
{
    if (o.persist && o.change.revert_after)
        return fail(ErrorKind::usage, "--persist and --for do not go together",
                    "Leave out one: --persist is for good, --for ends by itself.");
    TRY_ASSIGN(const auto body, get(app, "/admin/v1/providers"));
    TRY_ASSIGN(const auto item, item_of(*body, o.provider));
    const auto& items = (*body)["items"];
    const auto now = read_traffic(items, o.provider, enabled, false);
    const auto then = read_traffic(items, o.provider, enabled, true);
    ControlChange change;
    change.verb = enabled ? "provider enable" : "provider disable";
    change.scope = "providers";
    change.resource = "provider/" + o.provider;
    change.summary = fmt::format("{} provider {}", enabled ? "enable" : "disable", o.provider);
    change.confirm_name = o.provider;
    change.shown = enabled ? "disabled → enabled" : "enabled → disabled";
    // What the base configuration says already needs no override, so that nothing is left behind.
    const bool as_configured =
        json_bool_or(*item, "configured_enabled", true) == enabled && !o.change.revert_after && !o.persist;
    // The drain is looked at first, so that sessions which end while the counters settle are seen ending.
    change.fields = {{provider_path(o.provider, "realtime_drain"), drain_json(o.drain)},
                     {provider_path(o.provider, "enabled"), as_configured ? Json() : Json(enabled)}};
    change.lines = {{"traffic", traffic_line(now.names, now.weights, then.weights)}};
    if (!enabled)
        change.lines.emplace_back("check", quota_line(items, o.provider));
    if (o.drain)
        change.lines.emplace_back(
            "drain",
            fmt::format("realtime sessions have {}, then they are closed (1001)", human_duration(*o.drain)));
    change.verify = enabled ? "every replica applies the revision"
                            : "every replica applies the revision and none selects it any more";
    change.watch = "conduitctl provider ls --watch";
    if (o.persist)
        change.file_fields = {{provider_path(o.provider, "enabled"), Json(enabled)}};
    auto options = waiting_for(o.change, o.drain);
    if (o.persist)
        options.timeout = std::max(options.timeout, k_mounts_follow);
    return change_control(app, std::move(change), options);
}

Result<Report> enable(App& app, const SwitchOptions& o)
{
    return switch_to(app, o, true);
}

Result<Report> disable(App& app, const SwitchOptions& o)
{
    return switch_to(app, o, false);
}

} // namespace

std::vector<Verb> provider_switch_verbs()
{
    std::vector<Verb> verbs;
    verbs.push_back(verb<SwitchOptions>({.name = "enable",
                                         .summary = "Let a provider take traffic again",
                                         .effect = Effect::change,
                                         .tier = Tier::moderate,
                                         .undo = Undo::exact,
                                         .examples = {"conduitctl provider enable openai --yes"},
                                         .covers = {"A-em-prov-5", "E-err-prov-3"},
                                         .backends = {"agent"}},
                                        switch_flags, enable));
    verbs.push_back(verb<SwitchOptions>(
        {.name = "disable",
         .summary = "Take a provider out of the rotation",
         .effect = Effect::change,
         .tier = Tier::moderate,
         .undo = Undo::exact,
         .text =
             "New requests go to the others by their weights; requests in flight finish. It is done when "
             "every replica has applied it and none selects the provider any more. Realtime sessions go on "
             "until they end; with --drain it is done when they have ended too, and those that are left "
             "after the time are closed with 1001 (going away). With --for the agents enable it again by "
             "themselves, also when nobody is there to do it. With --persist the base configuration says so "
             "too, the file of a local context or the ConfigMap that the replicas mount, and it is done when "
             "every replica has read it, which takes a cluster up to two minutes; undo takes both back.",
         .examples = {"conduitctl provider disable openai --for 2h --reason \"OpenAI incident\"",
                      "conduitctl provider disable openai --drain=2m --yes",
                      "conduitctl provider disable openai --check"},
         .covers = {"A-em-prov-1", "A-prov-disable-2", "E-err-prov-1"},
         .backends = {"agent"}},
        [](Flags& flags, SwitchOptions& o) {
            drain_flag(flags, o.drain, "Wait for requests and realtime sessions too, and end these after");
            switch_flags(flags, o);
        },
        disable));
    return verbs;
}

} // namespace conduit::commands
