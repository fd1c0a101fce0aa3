// SPDX-License-Identifier: Apache-2.0
// `health`: one screen that says whether the service is well, and what is wrong first. Thresholds are
// document A's.
#include "cli/commands/all.hpp"
#include "cli/commands/provider_merge.hpp"
#include "cli/commands/support.hpp"
#include "cli/orchestrator/orchestrator.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

enum class Level { ok, degraded, alert, unknown };

std::string_view level_name(Level level)
{
    constexpr std::array<std::string_view, 4> names{"ok", "degraded", "alert", "unknown"};
    return names.at(static_cast<std::size_t>(level));
}

struct Finding {
    std::string check;
    Level level = Level::ok;
    std::string text;
    std::string next;
};

struct Bounds { // ok below (or above) the first, alert beyond the second (document A, "Key Metrics to
                // Monitor")
    double ok;
    double alert;
    bool higher_is_worse = true;
};

Level judge(double value, Bounds b)
{
    if (b.higher_is_worse)
        return value > b.alert ? Level::alert : value < b.ok ? Level::ok : Level::degraded;
    return value < b.alert ? Level::alert : value > b.ok ? Level::ok : Level::degraded;
}

void check_replicas(const FromAll& replicas, std::vector<Finding>& out)
{
    double newest = 0;
    for (const auto& [name, body] : replicas.bodies)
        if (const auto* control = json_find(*body, "control"); control != nullptr)
            newest = std::max(newest, json_number_or(*control, "revision", 0));
    for (const auto& [name, error] : replicas.failed)
        out.push_back({"replicas", Level::alert, fmt::format("{} does not answer: {}", name, error.message),
                       "conduitctl logs --instance " + name});
    for (const auto& [name, body] : replicas.bodies) {
        const auto* control = json_find(*body, "control");
        const double applied = control != nullptr ? json_number_or(*control, "applied_revision", -1) : -1;
        if (!json_bool_or(*body, "ready", false))
            out.push_back(
                {"replicas", Level::alert, name + " is not ready", "conduitctl logs --instance " + name});
        else if (applied < newest)
            out.push_back({"replicas", Level::degraded,
                           fmt::format("{} is at revision {:.0f}, others at {:.0f}", name, applied, newest),
                           "conduitctl ps"});
        if (control != nullptr && !json_bool_or(*control, "store_ok", true))
            out.push_back({"control store", Level::degraded,
                           name + " cannot reach the control store, it routes on",
                           "conduitctl logs --instance " + name});
    }
    const auto total = replicas.bodies.size() + replicas.failed.size();
    out.push_back({"replicas", Level::ok,
                   fmt::format("{}/{} answer, revision {:.0f}", replicas.bodies.size(), total, newest), ""});
}

void check_providers(const Json& items, std::vector<Finding>& out)
{
    std::size_t good = 0;
    for (const auto& item : items) {
        const auto name = json_string_or(item, "name", "");
        if (!json_bool_or(item, "enabled", true)) {
            out.push_back({"provider " + name, Level::degraded, name + " is disabled",
                           "conduitctl provider show " + name});
            continue;
        }
        const auto circuit = json_string_or(item, "circuit", "");
        const auto score = json_number_or(item, "health", 1);
        const auto last = json_string_or(item, "last_error", "");
        if (json_bool_or(item, "auth_failed", false))
            out.push_back({"provider " + name, Level::alert, name + " refuses our credential",
                           "conduitctl provider test " + name});
        else if (circuit == "open" || score < 0.5)
            out.push_back({"provider " + name, Level::alert,
                           fmt::format("{} is failing: health {:.2f}, circuit {}{}", name, score, circuit,
                                       last.empty() ? "" : ", last: " + last),
                           fmt::format("conduitctl provider disable {} --for 2h --reason TEXT", name)});
        else if (score < 0.9 || circuit == "half-open")
            out.push_back({"provider " + name, Level::degraded,
                           fmt::format("{}: health {:.2f}, circuit {}", name, score, circuit),
                           "conduitctl provider show " + name});
        else
            ++good;
    }
    out.push_back({"providers", Level::ok, fmt::format("{} of {} healthy", good, items.size()), ""});
}

void check_traffic(const Json& summary, std::vector<Finding>& out)
{
    const auto add = [&](std::string_view field, std::string_view what, double scale, std::string_view unit,
                         Bounds b) {
        const auto* value = json_find(summary, field);
        if (value == nullptr || !value->is_number()) {
            out.push_back(
                {std::string(what), Level::ok, fmt::format("{}: no traffic to judge by", what), ""});
            return;
        }
        const auto level = judge(value->get<double>(), b);
        out.push_back({std::string(what), level,
                       fmt::format("{} {:.1f} {} (limit {:.0f} {})", what, value->get<double>() * scale, unit,
                                   b.alert * scale, unit),
                       level == Level::ok ? "" : "conduitctl provider latency"});
    };
    add("error_rate", "error rate", 100, "%", {0.01, 0.05});
    add("p95_ms", "p95 latency", 0.001, "s", {2000, 5000});
}

void check_pool_and_cache(const FromAll& pools, const Json& summary, std::vector<Finding>& out)
{
    double worst = 0;
    std::string where;
    for (const auto& [replica, body] : pools.bodies)
        for (const auto& item : body->value("items", Json::array()))
            if (const double use = json_number_or(item, "usage", 0); use >= worst) {
                worst = use;
                where = fmt::format("{} to {}", replica, json_string_or(item, "provider", "?"));
            }
    const auto level = judge(worst, {0.7, 0.8});
    out.push_back({"pool", level,
                   fmt::format("connection pool at {:.0f} %{} (limit 80 %)", worst * 100,
                               where.empty() ? "" : ", " + where),
                   level == Level::ok ? "" : "conduitctl pool stats"});
    constexpr double enough = 100; // below that a rate says nothing
    if (const auto* rate = json_find(summary, "cache_hit_rate");
        rate != nullptr && rate->is_number() && json_number_or(summary, "requests", 0) >= enough)
        out.push_back({"cache", judge(rate->get<double>(), {0.4, 0.3, false}),
                       fmt::format("cache hit rate {:.0f} % (limit 30 %)", rate->get<double>() * 100), ""});
}

void check_overrides(const Json& state, std::vector<Finding>& out)
{
    for (const auto& item : state.value("items", Json::array())) {
        const auto path = json_string_or(item, "path", "");
        const bool forever = json_find(item, "expires_at") == nullptr || item["expires_at"].is_null();
        if (path == "limits/emergency")
            out.push_back({"limits", Level::degraded,
                           fmt::format("the emergency limit is on, set by {}{}",
                                       json_string_or(item, "actor", "?"), forever ? ", without an end" : ""),
                           "conduitctl limit off"});
        if (path == "safety/emergency" && item.value("value", Json()) == true)
            out.push_back({"safety", Level::alert, "emergency safety mode blocks all speech",
                           "conduitctl safety status"});
    }
}

struct HealthOptions {
    std::vector<std::string> checks;
};

Report finding_report(std::vector<Finding> findings)
{
    std::ranges::stable_sort(findings, std::greater<>{}, [](const Finding& f) {
        return f.level == Level::unknown ? 1 : static_cast<int>(f.level) + 1;
    });
    Json items = Json::array();
    std::size_t bad = 0;
    bool alert = false;
    for (const auto& f : findings) {
        items.push_back(
            {{"name", f.check}, {"level", level_name(f.level)}, {"text", f.text}, {"next", f.next}});
        bad += f.level == Level::ok ? 0U : 1U;
        alert = alert || f.level == Level::alert;
    }
    auto report = list_report(items, {{.head = "LEVEL", .field = "level"},
                                      {.head = "CHECK", .field = "name"},
                                      {.head = "FINDING", .field = "text"}});
    (*report.data)["status"] = alert ? "unhealthy" : bad > 0 ? "degraded" : "healthy";
    for (const auto& f : findings)
        if (!f.next.empty() && report.next.size() < 3 &&
            std::ranges::find(report.next, f.next) == report.next.end())
            report.next.push_back(f.next);
    report.verdict = alert ? ErrorKind::breached : ErrorKind::ok;
    return report;
}

Result<> check_pods(App& app, std::vector<Finding>& out)
{
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    TRY_ASSIGN(const auto instances, orchestrator->instances("", app.deadline(k_read_timeout)));
    std::size_t ready = 0, meant = 0;
    for (const auto& one : instances) {
        if (one.state == InstanceState::exited && one.problem.empty())
            continue; // a job that has ended well
        ++meant;
        ready += one.ready ? 1U : 0U;
        if (one.ready || one.state == InstanceState::draining)
            continue;
        const bool stuck = !one.problem.empty() || one.state == InstanceState::crash_loop;
        out.push_back({"pods",
                       stuck || one.state == InstanceState::not_ready ? Level::alert : Level::degraded,
                       fmt::format("{} is {}{}{}", one.name, state_name(one.state),
                                   one.problem.empty() ? "" : ": ", one.problem),
                       "conduitctl logs " + one.name});
    }
    out.push_back({"pods", instances.empty() ? Level::unknown : Level::ok,
                   instances.empty() ? "nothing runs" : fmt::format("{} of {} ready", ready, meant), ""});
    return {};
}

Result<Report> health_run(App& app, const HealthOptions& o)
{
    std::vector<Finding> findings;
    const auto of_pods = [](const std::string& check) { return std::string_view("pods").starts_with(check); };
    if (std::ranges::any_of(o.checks, of_pods))
        TRY(check_pods(app, findings));
    if (!o.checks.empty() && std::ranges::all_of(o.checks, of_pods))
        return finding_report(std::move(findings)); // the agents have no say in that
    TRY_ASSIGN(const auto replicas, get_all(app, "/admin/v1/replica"));
    TRY_ASSIGN(const auto providers, get_all(app, "/admin/v1/providers"));
    std::vector<JsonBox> provider_bodies;
    for (const auto& [replica, body] : providers.bodies)
        provider_bodies.push_back(body);
    TRY_ASSIGN(const auto summary, get(app, "/admin/v1/summary", {{"seconds", "300"}}));
    TRY_ASSIGN(const auto pools, get_all(app, "/admin/v1/pool"));
    TRY_ASSIGN(const auto state, get(app, "/admin/v1/state"));
    check_replicas(replicas, findings);
    check_providers(merged_providers(provider_bodies), findings);
    check_traffic(*summary, findings);
    check_pool_and_cache(pools, *summary, findings);
    check_overrides(*state, findings);
    if (!o.checks.empty())
        std::erase_if(findings, [&](const Finding& f) {
            return std::ranges::none_of(o.checks,
                                        [&](const std::string& c) { return f.check.starts_with(c); });
        });
    return finding_report(std::move(findings));
}

} // namespace

Noun health()
{
    return standalone<HealthOptions>(
        Group::seeing,
        {.name = "health",
         .summary = "Say whether the service is well, worst first",
         .text = "Replicas, providers, error rate, latency, pool, cache and left-over overrides, against the "
                 "limits of "
                 "the runbook. Exit 13 when one is beyond its limit.",
         .examples = {"conduitctl health", "conduitctl health provider pool -o json"},
         .also = {ErrorKind::breached},
         .covers = {"A-overview-5", "A-rec-verify-1", "C-health-1", "E-chk-7", "E-err-health-1"},
         .backends = {"agent", "orchestrator"}},
        [](Flags& f, HealthOptions& o) {
            f.rest("CHECK", o.checks,
                   "Only checks that begin so: replicas, provider, pool, cache, limits; or pods");
        },
        health_run);
}

} // namespace conduit::commands
