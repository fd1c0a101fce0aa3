// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/statistics.hpp"

#include "agent/control/last_state.hpp"
#include "agent/metrics/summary_ring.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <numeric>

namespace conduit::agent {
namespace {

void add(std::array<std::uint32_t, 24>& into, const std::array<std::uint32_t, 24>& from)
{
    for (std::size_t i = 0; i < into.size(); ++i)
        into[i] += from[i];
}

Json circuit_state(const ProviderHealth& health, SteadyTime now)
{
    switch (health.breaker.state(now)) {
    case CircuitState::closed:
        return "closed";
    case CircuitState::open:
        return "open";
    case CircuitState::half_open:
        return "half-open";
    }
    return "closed";
}

Json overrides_of(const Snapshot& snapshot, const std::string& provider)
{
    Json list = Json::object();
    const auto prefix = "providers/" + provider + "/";
    for (auto it = snapshot.state.overrides.lower_bound(prefix);
         it != snapshot.state.overrides.end() && it->first.starts_with(prefix); ++it)
        list[it->first.substr(prefix.size())] = override_json(it->first, it->second);
    return list;
}

Json quota_json(const ProviderHealth& health)
{
    const auto limit = health.quota_limit.load(std::memory_order_relaxed);
    const auto remaining = health.quota_remaining.load(std::memory_order_relaxed);
    return limit < 0 || remaining < 0 ? Json(nullptr) : Json{{"limit", limit}, {"remaining", remaining}};
}

Json probe_json(const ProviderHealth& health)
{
    const auto at = health.last_probe_ms.load(std::memory_order_relaxed);
    return {{"at", at == 0 ? Json(nullptr) : Json(format_time(WallTime(Duration(at))))},
            {"ok", health.last_probe_ok.load(std::memory_order_relaxed)},
            {"took_ms", health.last_probe_us.load(std::memory_order_relaxed) / 1000.0}};
}

Json pool_json(const ProviderConfig& provider, const std::vector<PoolStats>& pools)
{
    PoolStats sum;
    for (const auto& pool : pools)
        if (pool.provider == provider.name) {
            sum.in_use += pool.in_use;
            sum.open += pool.open;
            sum.limit += pool.limit;
        }
    return {{"in_use", sum.in_use},
            {"open", sum.open},
            {"limit", sum.limit == 0 ? provider.max_connections : sum.limit}};
}

std::uint64_t sent_to(const ProviderHealth& health)
{
    std::uint64_t sum = health.in_flight.load(std::memory_order_relaxed);
    for (const auto& count : health.outcomes)
        sum += count.load(std::memory_order_relaxed);
    return sum;
}

std::int64_t cooldown_ms(const ProviderHealth& health, SteadyTime now)
{
    const auto until = health.cooldown_until_ns.load(std::memory_order_relaxed);
    const auto left = until - std::chrono::nanoseconds(now.time_since_epoch()).count();
    return std::max<std::int64_t>(0, left / 1'000'000);
}

} // namespace

double Window::share(std::size_t provider) const
{
    const auto all = std::accumulate(providers.begin(), providers.end(), std::uint64_t{0},
                                     [](std::uint64_t sum, const Provider& p) { return sum + p.requests; });
    return all == 0 ? 0.0 : static_cast<double>(providers[provider].requests) / static_cast<double>(all);
}

Window read_window(const AdminServices& services, unsigned seconds)
{
    Window window;
    window.buckets = services.metrics.summary(seconds, services.clock.now());
    for (const auto& bucket : window.buckets) {
        window.requests += bucket.requests;
        window.errors += bucket.errors;
        window.retries += bucket.retries;
        window.limited += bucket.limited;
        window.cache_hits += bucket.cache_hits;
        window.cache_lookups += bucket.cache_lookups;
        add(window.latency, bucket.latency);
        for (std::size_t i = 0; i < k_max_providers; ++i) {
            window.providers[i].requests += bucket.providers[i].requests;
            window.providers[i].errors += bucket.providers[i].errors;
            add(window.providers[i].latency, bucket.providers[i].latency);
        }
    }
    return window;
}

Json redis_json(const AdminServices& services, const Snapshot& snapshot)
{
    if (!snapshot.config.redis.on)
        return nullptr;
    const auto state = services.gauges.redis();
    const auto& config = snapshot.config;
    const bool limits = config.limits.store == "redis";
    const auto since = format_time(state.since);
    std::string detail = fmt::format("redis: up since {}", since);
    if (!state.up)
        detail = fmt::format("redis: away since {}{}", since, limits ? ", limits are local" : "");
    return {{"status", state.up ? "up" : "away"},
            {"since", state.since == WallTime{} ? Json(nullptr) : Json(since)},
            {"detail", state.since == WallTime{} ? "redis: not reached yet, limits are local" : detail},
            {"where", state.where},
            {"last_error", state.error},
            {"cache", config.cache.store == "redis" ? "shared" : "memory"},
            {"limits", limits && state.up ? "shared" : "local"},
            {"commands", state.commands},
            {"errors", state.errors},
            {"timeouts", state.timeouts},
            {"skipped", state.skipped},
            {"connects", state.connects}};
}

Json ratio_json(std::uint64_t part, std::uint64_t whole)
{
    return whole == 0 ? Json(nullptr) : Json(static_cast<double>(part) / static_cast<double>(whole));
}

Json latency_json(const std::array<std::uint32_t, 24>& counts, double quantile)
{
    const double value = quantile_ms(counts, quantile);
    return std::isfinite(value) ? Json(value) : Json(nullptr);
}

Json summary_json(const AdminServices& services, const Snapshot& snapshot, unsigned seconds)
{
    const auto window = read_window(services, seconds);
    Json by_provider = Json::object();
    for (std::size_t i = 0; i < snapshot.config.providers.size(); ++i)
        by_provider[snapshot.config.providers[i].name] = {
            {"requests", window.providers[i].requests},
            {"errors", window.providers[i].errors},
            {"share", window.share(i)},
            {"p95_ms", latency_json(window.providers[i].latency, 0.95)}};
    Json buckets = Json::array();
    for (const auto& bucket : window.buckets)
        buckets.push_back({{"t", bucket.second}, {"requests", bucket.requests}, {"errors", bucket.errors}});
    const auto last = window.buckets.empty()
                          ? std::chrono::floor<std::chrono::seconds>(services.clock.now())
                          : std::chrono::sys_seconds(std::chrono::seconds(window.buckets.back().second + 1));
    return {{"seconds", seconds},
            {"complete_until", format_time(last)},
            {"requests", window.requests},
            {"errors", window.errors},
            {"error_rate", ratio_json(window.errors, window.requests)},
            {"p50_ms", latency_json(window.latency, 0.5)},
            {"p95_ms", latency_json(window.latency, 0.95)},
            {"p99_ms", latency_json(window.latency, 0.99)},
            {"retries", window.retries},
            {"limited", window.limited},
            {"cache_hit_rate", ratio_json(window.cache_hits, window.cache_lookups)},
            {"redis", redis_json(services, snapshot)},
            {"by_provider", std::move(by_provider)},
            {"buckets", std::move(buckets)}};
}

Json records_json(const Records::Stats& stats)
{
    return {{"queued", stats.queued},   {"written", stats.written},         {"spooled", stats.spooled},
            {"dropped", stats.dropped}, {"spool_bytes", stats.spool_bytes}, {"last_error", stats.last_error}};
}

Json provider_item(const AdminServices& services, const Snapshot& snapshot, std::size_t index,
                   const Window& window, const std::vector<PoolStats>& pools)
{
    const auto& provider = snapshot.config.providers[index];
    const auto* configured = find_provider(*snapshot.base, provider.name);
    const auto& health = services.health.of(provider.name);
    const auto& figures = window.providers[index];
    const auto now = services.clock.steady();
    return {{"name", provider.name},
            {"kind", kind_name(provider.kind)},
            {"enabled", provider.enabled},
            {"configured_enabled", configured->enabled},
            {"weight", provider.weight},
            {"configured_weight", configured->weight},
            {"share_5m", window.share(index)},
            {"health", health.score()},
            {"status", provider_status(services, provider)},
            {"circuit", circuit_state(health, now)},
            {"circuit_opens_in_ms", health.breaker.opens_in(now).count()},
            {"p95_ms", latency_json(figures.latency, 0.95)},
            {"error_rate", ratio_json(figures.errors, figures.requests)},
            {"requests_5m", figures.requests},
            {"selected_total", sent_to(health)},
            {"quota", quota_json(health)},
            {"in_flight", health.in_flight.load(std::memory_order_relaxed)},
            {"realtime", health.realtime.load(std::memory_order_relaxed)},
            {"realtime_closed_total", health.realtime_closed.load(std::memory_order_relaxed)},
            {"pool", pool_json(provider, pools)},
            {"region", provider.region},
            {"endpoint", provider.endpoint},
            {"auth_failed", health.auth_failed.load(std::memory_order_relaxed)},
            {"cooldown_ms", cooldown_ms(health, now)},
            {"last_probe", probe_json(health)},
            {"last_error", services.health.last_error(provider.name)},
            {"override", overrides_of(snapshot, provider.name)}};
}

Json circuit_json(const AdminServices& services, const std::string& provider)
{
    const auto& health = services.health.of(provider);
    const auto now = services.clock.steady();
    return {{"provider", provider},
            {"state", circuit_state(health, now)},
            {"failures", health.breaker.failures_in_a_row()},
            {"opens_in_ms", health.breaker.opens_in(now).count()}};
}

std::string_view provider_status(const AdminServices& services, const ProviderConfig& provider)
{
    if (!provider.enabled)
        return "disabled";
    const auto& health = services.health.of(provider.name);
    if (!health.available(services.clock.steady()) || health.score() < 0.5)
        return "unhealthy";
    return health.score() < 0.9 ? "degraded" : "healthy";
}

} // namespace conduit::agent
