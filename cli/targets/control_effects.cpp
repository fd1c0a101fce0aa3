// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/control_effects.hpp"

#include "core/text.hpp"

#include <fmt/format.h>
#include <functional>
#include <nlohmann/json.hpp>

namespace conduit {
namespace {

constexpr Duration k_poll{50};

// One reading of all replicas: nullopt while it is not yet so, a text once it is.
using Look = std::function<Result<std::optional<std::string>>()>;

Result<> wait_until(Clock& clock, EffectLimits limits, std::string_view what, ops::Progress& progress,
                    const Look& look)
{
    const auto started = clock.steady();
    std::string last = "no answer yet";
    for (;;) {
        auto seen = look();
        if (seen && *seen) {
            progress.tick(ops::Progress::Mark::done, what, **seen,
                          std::chrono::duration_cast<Duration>(clock.steady() - started));
            return {};
        }
        if (!seen)
            last = seen.error().message;
        if (limits.cancel != nullptr && limits.cancel->requested())
            return fail(ErrorKind::interrupted, "interrupted");
        if (limits.deadline.passed())
            return fail(ErrorKind::unverified, fmt::format("not seen in time: {} ({})", what, last));
        clock.sleep(std::min(k_poll, limits.deadline.left()));
    }
}

Result<std::vector<JsonBox>> all_answers(Agents& agents, const AgentCall& call, Deadline deadline)
{
    std::vector<JsonBox> bodies;
    for (auto& answer : agents.ask_all(call, deadline)) {
        if (!answer.body)
            return std::move(answer.body).error();
        bodies.push_back(*std::move(answer.body));
    }
    if (bodies.empty())
        return fail(ErrorKind::unreachable, "no replica answered");
    return bodies;
}

const Json* item_named(const Json& list, std::string_view key, std::string_view name)
{
    const auto* items = json_find(list, "items");
    if (items != nullptr && items->is_array())
        for (const auto& item : *items)
            if (json_string_or(item, key, "") == name)
                return &item;
    return nullptr;
}

struct Selection {
    std::uint64_t selected = 0;
    std::uint64_t in_flight = 0; // realtime sessions included
    std::uint64_t realtime = 0;
    std::uint64_t closed = 0; // realtime sessions that the agents ended, ever
    bool enabled = false;     // anywhere
};

Result<Selection> read_selection(Agents& agents, const std::string& provider, Deadline deadline)
{
    TRY_ASSIGN(const auto bodies, all_answers(agents, {.path = "/admin/v1/providers"}, deadline));
    Selection sum;
    for (const auto& body : bodies) {
        const auto* item = item_named(*body, "name", provider);
        if (item == nullptr)
            return fail(ErrorKind::unknown, fmt::format("a replica does not list provider {}", provider));
        TRY_ASSIGN(const double selected, json_number(*item, "selected_total"));
        TRY_ASSIGN(const double in_flight, json_number(*item, "in_flight"));
        sum.selected += static_cast<std::uint64_t>(selected);
        sum.in_flight += static_cast<std::uint64_t>(in_flight);
        sum.realtime += static_cast<std::uint64_t>(json_number_or(*item, "realtime", 0));
        sum.closed += static_cast<std::uint64_t>(json_number_or(*item, "realtime_closed_total", 0));
        sum.enabled = sum.enabled || json_bool_or(*item, "enabled", true);
    }
    return sum;
}

Result<> see_no_selection(Agents& agents, Clock& clock, const std::string& provider, EffectLimits limits,
                          ops::Progress& progress)
{
    std::optional<Selection> since;
    SteadyTime since_when{};
    std::uint64_t most_in_flight = 0;
    return wait_until(clock, limits, "no new request", progress, [&]() -> Result<std::optional<std::string>> {
        TRY_ASSIGN(const auto now, read_selection(agents, provider, limits.deadline));
        most_in_flight = std::max(most_in_flight, now.in_flight);
        if (!since || now.selected != since->selected) {
            since = now;
            since_when = clock.steady();
        }
        const auto quiet = std::chrono::duration_cast<Duration>(clock.steady() - since_when);
        if (quiet < limits.quiet)
            return std::optional<std::string>{};
        auto text = fmt::format("to {} in {}", provider, human_duration(quiet));
        if (most_in_flight > 0)
            text += now.in_flight == 0 ? fmt::format("; {} in flight finished", most_in_flight)
                                       : fmt::format("; {} still in flight", now.in_flight);
        return std::optional(text);
    });
}

std::string ending_text(std::uint64_t most, std::uint64_t closed)
{
    if (most == 0)
        return "none was open";
    const std::uint64_t ours = std::min(most, closed);
    std::string text = ours < most ? fmt::format("{} ended by itself", most - ours) : "";
    if (ours > 0)
        text += fmt::format("{}{} closed with 1001 when the time was over", text.empty() ? "" : ", ", ours);
    return text;
}

// Everything under way at a disabled provider has ended, realtime sessions included.
Result<> see_provider_drained(Agents& agents, Clock& clock, const std::string& provider, EffectLimits limits,
                              ops::Progress& progress)
{
    TRY_ASSIGN(const auto first, read_selection(agents, provider, limits.deadline));
    if (first.enabled)
        return {}; // it says what will be, once the provider is disabled
    std::uint64_t most = first.realtime;
    return wait_until(
        clock, limits, "realtime sessions", progress, [&]() -> Result<std::optional<std::string>> {
            TRY_ASSIGN(const auto now, read_selection(agents, provider, limits.deadline));
            most = std::max(most, now.realtime);
            if (now.in_flight == 0)
                return std::optional(ending_text(most, now.closed - std::min(now.closed, first.closed)));
            auto text = fmt::format("{} at {}", now.realtime, provider);
            if (now.in_flight > now.realtime)
                text += fmt::format(", and {} requests in flight", now.in_flight - now.realtime);
            progress.waiting("realtime sessions", text);
            return fail(ErrorKind::unverified, std::move(text));
        });
}

struct PoolLook {
    std::uint64_t draining = 0, realtime = 0;
    bool reached = true;       // the epoch, everywhere
    bool ends_realtime = true; // everywhere
};

Result<PoolLook> look_at_pools(Agents& agents, std::uint64_t epoch, Deadline deadline)
{
    TRY_ASSIGN(const auto bodies, all_answers(agents, {.path = "/admin/v1/pool"}, deadline));
    PoolLook look;
    for (const auto& body : bodies) {
        TRY_ASSIGN(const double at, json_number(*body, "reset_epoch"));
        look.reached = look.reached && at >= static_cast<double>(epoch);
        look.ends_realtime = look.ends_realtime && json_number_or(*body, "realtime_drain_ms", 0) > 0;
        if (const auto* items = json_find(*body, "items"); items != nullptr)
            for (const auto& item : *items) {
                look.draining += static_cast<std::uint64_t>(json_number_or(item, "draining", 0));
                look.realtime += static_cast<std::uint64_t>(json_number_or(item, "draining_realtime", 0));
            }
    }
    return look;
}

Result<> see_pool_drained(Agents& agents, Clock& clock, std::uint64_t epoch, EffectLimits limits,
                          ops::Progress& progress)
{
    return wait_until(
        clock, limits, "old connections gone", progress, [&]() -> Result<std::optional<std::string>> {
            TRY_ASSIGN(const auto now, look_at_pools(agents, epoch, limits.deadline));
            if (!now.reached)
                return std::optional<std::string>{};
            const auto left = now.draining + (now.ends_realtime ? now.realtime : 0);
            if (left > 0) {
                auto text = fmt::format("{} connections still drain, {} of them of realtime sessions",
                                        now.draining + now.realtime, now.realtime);
                progress.waiting("old connections", text);
                return fail(ErrorKind::unverified, std::move(text));
            }
            return std::optional(
                now.realtime == 0
                    ? std::string("in every replica")
                    : fmt::format("but for {} of realtime sessions, which go on", now.realtime));
        });
}

Result<> see_circuit_closed(Agents& agents, Clock& clock, const std::string& provider, EffectLimits limits,
                            ops::Progress& progress)
{
    return wait_until(clock, limits, "circuit closed", progress, [&]() -> Result<std::optional<std::string>> {
        TRY_ASSIGN(const auto bodies, all_answers(agents, {.path = "/admin/v1/providers"}, limits.deadline));
        for (const auto& body : bodies) {
            const auto* item = item_named(*body, "name", provider);
            const auto state =
                item == nullptr ? std::string("not listed") : json_string_or(*item, "circuit", "");
            if (state != "closed")
                return fail(ErrorKind::unverified, fmt::format("circuit of {} is {}", provider, state));
        }
        return std::optional(fmt::format("for {} in {} replicas", provider, bodies.size()));
    });
}

Result<> see_cache_cleared(Agents& agents, Clock& clock, const Json& clear, EffectLimits limits,
                           ops::Progress& progress)
{
    const auto prefix = json_string_or(clear, "prefix", "");
    const auto epoch = json_number_or(clear, "epoch", 0);
    return wait_until(clock, limits, "keys gone", progress, [&]() -> Result<std::optional<std::string>> {
        TRY_ASSIGN(const auto bodies, all_answers(agents, {.path = "/admin/v1/cache"}, limits.deadline));
        for (const auto& body : bodies) {
            TRY_ASSIGN(const double at, json_number(*body, "clear_epoch"));
            if (at < epoch)
                return std::optional<std::string>{};
        }
        return std::optional(fmt::format("that begin with {} in {} replicas", prefix, bodies.size()));
    });
}

Result<> see_everything_blocked(Agents& agents, Clock& clock, EffectLimits limits, ops::Progress& progress)
{
    const AgentCall probe{.method = "POST",
                          .path = "/admin/v1/safety/test",
                          .body = Json{{"text", "Good morning, how are you today?"}, {"age_group", "adult"}}};
    return wait_until(
        clock, limits, "harmless text refused", progress, [&]() -> Result<std::optional<std::string>> {
            const auto answers = agents.ask_all(probe, limits.deadline);
            std::vector<std::string> wrong; // what does not answer may serve all the same
            for (const auto& answer : answers)
                if (!answer.body)
                    wrong.push_back(fmt::format("{} does not answer", answer.replica.name));
                else if (json_bool_or(**answer.body, "allowed", true))
                    wrong.push_back(fmt::format("{} still allows harmless text", answer.replica.name));
            if (answers.empty())
                wrong.emplace_back("no replica was found");
            if (!wrong.empty())
                return fail(ErrorKind::unverified, join(wrong, ", "));
            return std::optional(fmt::format("by {} of {} replicas", answers.size(), answers.size()));
        });
}

ops::ProviderFact provider_fact(const Json& item)
{
    ops::ProviderFact fact;
    fact.name = json_string_or(item, "name", "");
    fact.enabled = json_bool_or(item, "enabled", true);
    fact.weight = json_number_or(item, "weight", 0);
    fact.healthy = json_number_or(item, "health", 1) >= 0.5 &&
                   json_string_or(item, "circuit", "closed") != "open" &&
                   !json_bool_or(item, "auth_failed", false);
    const auto* overrides = json_find(item, "override");
    const auto* enabled = overrides != nullptr ? json_find(*overrides, "enabled") : nullptr;
    if (!fact.enabled && enabled != nullptr)
        fact.because =
            fmt::format("{} is disabled by {} {}", fact.name, json_string_or(*enabled, "actor", "somebody"),
                        json_string_or(*enabled, "operation", ""));
    return fact;
}

} // namespace

Result<> see_effect(Agents& agents, Clock& clock, const ops::Field& field, EffectLimits limits,
                    ops::Progress& progress)
{
    const auto parts = split(field.path, '/');
    const auto& after = *field.after;
    if (parts.size() == 3 && parts[0] == "providers" && parts[2] == "enabled" && after.is_boolean() &&
        !after.get<bool>())
        return see_no_selection(agents, clock, parts[1], limits, progress);
    if (parts.size() == 3 && parts[0] == "providers" && parts[2] == "realtime_drain" && after.is_string())
        return see_provider_drained(agents, clock, parts[1], limits, progress);
    if (parts.size() == 3 && parts[0] == "providers" && parts[2] == "circuit_epoch" && after.is_number())
        return see_circuit_closed(agents, clock, parts[1], limits, progress);
    if (field.path == "pool/reset_epoch" && after.is_number())
        return see_pool_drained(agents, clock, after.get<std::uint64_t>(), limits, progress);
    if (field.path == "cache/clear" && after.is_object())
        return see_cache_cleared(agents, clock, after, limits, progress);
    if (field.path == "safety/emergency" && after.is_boolean() && after.get<bool>())
        return see_everything_blocked(agents, clock, limits, progress);
    return {};
}

ops::Facts provider_facts(const Json& providers, const ops::Plan& plan)
{
    ops::Facts facts;
    const auto* items = json_find(providers, "items");
    if (items == nullptr || !items->is_array())
        return facts;
    for (const auto& item : *items)
        facts.now.providers.push_back(provider_fact(item));
    facts.then = facts.now;
    for (std::size_t i = 0; i < facts.then.providers.size(); ++i) {
        auto& provider = facts.then.providers[i];
        const auto& item = (*items)[i];
        for (const auto& step : plan.steps)
            for (const auto& field : step.fields) {
                // An override that goes away leaves the base configuration's value.
                if (field.path == "providers/" + provider.name + "/enabled")
                    provider.enabled = field.after->is_boolean()
                                           ? field.after->get<bool>()
                                           : json_bool_or(item, "configured_enabled", true);
                if (field.path == "providers/" + provider.name + "/weight")
                    provider.weight = field.after->is_number() ? field.after->get<double>()
                                                               : json_number_or(item, "configured_weight", 0);
            }
    }
    return facts;
}

} // namespace conduit
