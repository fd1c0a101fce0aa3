// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/guard.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops {
namespace {

using Verdicts = std::vector<GuardVerdict>;

const ProviderFact* find(const std::vector<ProviderFact>& providers, std::string_view name)
{
    const auto it = std::ranges::find(providers, name, &ProviderFact::name);
    return it == providers.end() ? nullptr : &*it;
}

bool serves(const ProviderFact& p)
{
    return p.enabled && p.healthy && p.weight > 0;
}

std::string percent(double ratio)
{
    return fmt::format("{:.0f} %", ratio * 100);
}

void check_providers(const GuardConfig& config, const Facts& facts, Verdicts& out)
{
    if (!config.min_healthy_providers || facts.then.providers.empty())
        return;
    const auto now = std::ranges::count_if(facts.now.providers, serves);
    const auto then = std::ranges::count_if(facts.then.providers, serves);
    GuardVerdict v{.guard = "min_healthy_providers"};
    if (then < *config.min_healthy_providers && then < now) {
        v.passed = false;
        std::string left;
        for (const auto& p : facts.then.providers)
            if (serves(p))
                left += (left.empty() ? "" : ", ") + p.name;
        if (then == 0)
            v.message = "no healthy provider would be left";
        else if (then == 1)
            v.message = fmt::format("{} would be the only provider left", left);
        else
            v.message = fmt::format("only {} would be left", left);
        v.message += fmt::format(" (guard min_healthy_providers = {})", *config.min_healthy_providers);
        for (const auto& p : facts.now.providers)
            if (!serves(p)) {
                const auto why = !p.because.empty() ? p.because : p.enabled ? "not healthy" : "disabled";
                v.cause += fmt::format("{}{} is {}", v.cause.empty() ? "" : "; ", p.name, why);
                if (v.hint.empty() && !p.enabled)
                    v.hint = fmt::format("Enable {} first: conduitctl provider enable {}", p.name, p.name);
            }
    }
    out.push_back(std::move(v));
}

double share(const std::vector<ProviderFact>& providers, const ProviderFact& p)
{
    double total = 0;
    for (const auto& each : providers)
        total += each.enabled ? each.weight : 0;
    return p.enabled && total > 0 ? p.weight / total : 0;
}

// The largest shift among providers that serve before and after; taking one out is another guard's business.
double weight_shift(const std::vector<ProviderFact>& now, const std::vector<ProviderFact>& then)
{
    double largest = 0;
    for (const auto& p : then)
        if (const auto* was = find(now, p.name); was != nullptr && was->enabled && p.enabled)
            largest = std::max(largest, std::abs(share(then, p) - share(now, *was)));
    return largest;
}

bool toggles(const Facts& facts)
{
    return std::ranges::any_of(facts.then.providers, [&](const ProviderFact& p) {
        const auto* was = find(facts.now.providers, p.name);
        return was != nullptr && was->enabled != p.enabled;
    });
}

// The weights that lie as far as the guard allows on the straight way from now to then.
std::string largest_weights(const Facts& facts, double limit)
{
    const auto part_way = [&](double part) {
        auto between = facts.then.providers;
        for (auto& p : between)
            if (const auto* was = find(facts.now.providers, p.name))
                p.weight = std::round(was->weight + (p.weight - was->weight) * part);
        return between;
    };
    for (int step = 100; step > 0; --step) {
        const auto between = part_way(step / 100.0);
        const double shift = weight_shift(facts.now.providers, between);
        if (shift <= 0 || shift > limit)
            continue;
        std::string text;
        for (const auto& p : between)
            text += fmt::format("{}{} {:.0f}", text.empty() ? "" : ", ", p.name, p.weight);
        return text;
    }
    return {};
}

void check_weights(const GuardConfig& config, const Facts& facts, Verdicts& out)
{
    if (!config.max_weight_shift || facts.then.providers.empty() || toggles(facts))
        return;
    const double shift = weight_shift(facts.now.providers, facts.then.providers);
    if (shift <= 0)
        return;
    GuardVerdict v{.guard = "max_weight_shift"};
    if (shift > *config.max_weight_shift + 1e-9) {
        v.passed = false;
        v.message = fmt::format("{} of the traffic would move at once (guard max_weight_shift = {})",
                                percent(shift), percent(*config.max_weight_shift));
        v.largest = largest_weights(facts, *config.max_weight_shift);
    }
    out.push_back(std::move(v));
}

void check_replicas(const GuardConfig& config, const Facts& facts, Verdicts& out)
{
    for (const auto& w : facts.then.workloads) {
        const auto it = std::ranges::find(facts.now.workloads, w.name, &WorkloadFact::name);
        const int now = it == facts.now.workloads.end() ? 0 : it->replicas;
        const int now_healthy = it == facts.now.workloads.end() ? 0 : it->healthy;
        const auto judge = [&](std::string guard, bool refuse, std::string message, std::string largest) {
            out.push_back({std::move(guard), !refuse, refuse ? std::move(message) : "", "",
                           refuse ? std::move(largest) : "", ""});
        };
        if (config.min_replicas && w.highly_available && w.replicas != now)
            judge("min_replicas",
                  w.replicas < *config.min_replicas &&
                          w.replicas<now,
                                     fmt::format("{} would have {} replicas (guard min_replicas = {})",
                                                 w.name, w.replicas, *config.min_replicas),
                                     now> *
                              config.min_replicas
                      ? fmt::format("{} replicas", *config.min_replicas)
                      : "");
        if (config.max_replicas && w.replicas != now)
            judge("max_replicas", w.replicas > *config.max_replicas && w.replicas > now,
                  fmt::format("{} would have {} replicas (guard max_replicas = {})", w.name, w.replicas,
                              *config.max_replicas),
                  now < *config.max_replicas ? fmt::format("{} replicas", *config.max_replicas) : "");
        if (config.min_healthy_instances && w.healthy < now_healthy) {
            const int can_go = now_healthy - *config.min_healthy_instances;
            judge("min_healthy_instances", w.healthy < *config.min_healthy_instances,
                  fmt::format("{} would have {} healthy instances (guard min_healthy_instances = {})", w.name,
                              w.healthy, *config.min_healthy_instances),
                  can_go > 0 ? fmt::format("{} at a time", can_go) : "");
        }
    }
}

void check_deletes(const GuardConfig& config, const Facts& facts, Verdicts& out)
{
    if (!facts.deletes || (!config.max_delete_count && !config.max_delete_share))
        return;
    const auto& d = *facts.deletes;
    auto limit = config.max_delete_count.value_or(d.total);
    if (config.max_delete_share)
        limit = std::min(limit,
                         static_cast<std::int64_t>(static_cast<double>(d.total) * *config.max_delete_share));
    GuardVerdict v{.guard = "max_delete"};
    if (d.count > limit) {
        v.passed = false;
        v.message =
            fmt::format("{} of {} {} would be removed (guard max_delete = {})", d.count, d.total, d.what,
                        config.max_delete_count && limit == *config.max_delete_count
                            ? fmt::format("{}", limit)
                            : percent(config.max_delete_share.value_or(1)));
        v.largest = limit > 0 ? fmt::format("{} {}", limit, d.what) : "";
    }
    out.push_back(std::move(v));
}

// A step on data does no more than it was planned for, however much there is by now.
void check_bound(const Step& step, const Facts& facts, Verdicts& out)
{
    if (!step.bound || !facts.deletes || facts.deletes->count <= *step.bound)
        return;
    out.push_back({"bound", false,
                   fmt::format("{} {} are there by now, the plan is for at most {}", facts.deletes->count,
                               facts.deletes->what, *step.bound),
                   "", "", "Look again, and repeat the command."});
}

void check_moment(const GuardConfig& config, const Facts& facts, WallTime now, Verdicts& out)
{
    if (config.max_concurrent) {
        GuardVerdict v{.guard = "max_concurrent"};
        if (facts.running + 1 > *config.max_concurrent) {
            v.passed = false;
            v.message = fmt::format("{} other operation{} running (guard max_concurrent = {})", facts.running,
                                    facts.running == 1 ? " is" : "s are", *config.max_concurrent);
            v.hint = "See who: conduitctl lock ls";
        }
        out.push_back(std::move(v));
    }
    for (const auto& window : config.freeze) {
        if (now < window.from || now >= window.to)
            continue;
        GuardVerdict v{.guard = "freeze", .passed = false};
        v.message = fmt::format("changes are frozen until {} (guard freeze)", format_time(window.to));
        v.cause = window.reason;
        out.push_back(std::move(v));
    }
}

} // namespace

std::vector<GuardVerdict> evaluate_guards(const GuardConfig& config, const Plan& plan, const Facts& facts,
                                          WallTime now)
{
    Verdicts out;
    check_providers(config, facts, out);
    check_weights(config, facts, out);
    check_replicas(config, facts, out);
    check_deletes(config, facts, out);
    for (const auto& step : plan.steps)
        check_bound(step, facts, out);
    check_moment(config, facts, now, out);
    return out;
}

std::optional<Error> guard_refusal(const std::vector<GuardVerdict>& verdicts)
{
    const auto it = std::ranges::find(verdicts, false, &GuardVerdict::passed);
    if (it == verdicts.end())
        return std::nullopt;
    Error error{ErrorKind::refused, "refused: " + it->message};
    error.cause = it->cause;
    error.hint = it->hint;
    if (!it->largest.empty())
        error.hint +=
            fmt::format("{}The largest step that passes: {}.", error.hint.empty() ? "" : "\n", it->largest);
    error.hint +=
        fmt::format("{}Or go past the guard: add --force --reason TEXT", error.hint.empty() ? "" : "\n");
    error.details["guard"] = it->guard;
    if (!it->largest.empty())
        error.details["largest"] = it->largest;
    return error;
}

} // namespace conduit::ops
