// SPDX-License-Identifier: Apache-2.0
// Health and metrics: open, on both ports. Whether the process lives never depends on anything outside it.
#include "agent/admin/statistics.hpp"
#include "agent/router/chooser.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

Json response_time(const AdminServices& services, const Snapshot& snapshot, const Window& window,
                   const ProviderConfig& provider)
{
    const auto index = static_cast<std::size_t>(&provider - snapshot.config.providers.data());
    if (auto median = latency_json(window.providers[index].latency, 0.5); !median.is_null())
        return median;
    const auto& health = services.health.of(provider.name);
    return health.last_probe_ms.load() == 0 ? Json(nullptr) : Json(health.last_probe_us.load() / 1000.0);
}

Json provider_health(const AdminServices& services, const Snapshot& snapshot, const Window& window,
                     const ProviderConfig& provider)
{
    return {{"status", provider_status(services, provider)},
            {"provider", provider.name},
            {"response_time_ms", response_time(services, snapshot, window, provider)},
            {"score", services.health.of(provider.name).score()},
            {"circuit_breaker", circuit_json(services, provider.name)},
            {"last_error", services.health.last_error(provider.name)}};
}

// Of the enabled ones: all unhealthy, some not healthy, or all well.
std::string_view overall(const AdminServices& services, const std::vector<const ProviderConfig*>& providers)
{
    std::size_t enabled = 0, healthy = 0, unhealthy = 0;
    for (const auto* provider : providers) {
        const auto status = provider_status(services, *provider);
        enabled += status != "disabled" ? 1U : 0U;
        healthy += status == "healthy" ? 1U : 0U;
        unhealthy += status == "unhealthy" ? 1U : 0U;
    }
    if (enabled == 0 || unhealthy == enabled)
        return "unhealthy";
    return healthy == enabled ? "healthy" : "degraded";
}

std::vector<const ProviderConfig*> offering(const Snapshot& snapshot, std::optional<Operation> operation)
{
    std::vector<const ProviderConfig*> list;
    for (const auto& provider : snapshot.config.providers)
        if (!operation || supports(provider, *operation))
            list.push_back(&provider);
    return list;
}

Result<AdminResponse> live(AdminServices&, const Call&)
{
    return json_response({{"status", "alive"}});
}

Result<AdminResponse> ready(AdminServices& services, const Call&)
{
    const auto status = services.controller.status();
    return json_response({{"status", status.ready ? "ready" : "not-ready"},
                          {"replica", status.replica},
                          {"control", control_json(status)}},
                         status.ready ? 200 : 503);
}

Result<AdminResponse> health(AdminServices& services, const Call& call)
{
    const auto status = services.controller.status();
    const auto all = offering(*call.snapshot, std::nullopt);
    std::string_view word = overall(services, all);
    if (word == "healthy" &&
        (!status.store_ok || status.from_disk || !status.ready || !status.config_error.empty()))
        word = "degraded";
    if (word == "healthy" && call.snapshot->config.redis.on && !services.gauges.redis().up)
        word = "degraded";
    Json providers = Json::object();
    for (const auto* provider : all)
        providers[provider->name] = provider_status(services, *provider);
    return json_response({{"status", word},
                          {"timestamp", format_time(services.clock.now())},
                          {"version", services.version},
                          {"replica", status.replica},
                          {"ready", status.ready},
                          {"providers", std::move(providers)},
                          {"control", control_json(status)},
                          {"redis", redis_json(services, *call.snapshot)},
                          {"config_error", status.config_error}});
}

AdminResponse health_of(AdminServices& services, const Call& call, std::optional<Operation> operation)
{
    const auto window = read_window(services, 300);
    const auto list = offering(*call.snapshot, operation);
    Json items = Json::array();
    for (const auto* provider : list)
        items.push_back(provider_health(services, *call.snapshot, window, *provider));
    return json_response({{"status", overall(services, list)},
                          {"timestamp", format_time(services.clock.now())},
                          {"providers", std::move(items)}});
}

Result<AdminResponse> providers(AdminServices& services, const Call& call)
{
    return health_of(services, call, std::nullopt);
}

Result<AdminResponse> speech(AdminServices& services, const Call& call)
{
    return health_of(services, call, Operation::speech);
}

Json cache_json(const AdminServices& services, const Snapshot& snapshot)
{
    const auto stats = services.cache.stats();
    return {{"hit_rate", ratio_json(stats.hits, stats.hits + stats.misses)},
            {"size_mb", static_cast<double>(stats.bytes) / (1024.0 * 1024.0)},
            {"health", snapshot.config.cache.enabled ? "healthy" : "disabled"}};
}

// The one that gets most of the speech.
const ProviderConfig* main_of(const std::vector<const ProviderConfig*>& list)
{
    const ProviderConfig* best = nullptr;
    for (const auto* provider : list)
        if (best == nullptr ||
            std::pair(provider->enabled, provider->weight) > std::pair(best->enabled, best->weight))
            best = provider;
    return best;
}

Result<AdminResponse> audio(AdminServices& services, const Call& call)
{
    const auto& snapshot = *call.snapshot;
    const auto window = read_window(services, 300);
    const auto list = offering(snapshot, Operation::speech);
    const auto* main = main_of(list);
    Json breakers = Json::array();
    for (const auto* provider : list)
        breakers.push_back(circuit_json(services, provider->name));
    return json_response(
        {{"status", overall(services, offering(snapshot, std::nullopt))},
         {"timestamp", format_time(services.clock.now())},
         {"audio_processing",
          {{"total_requests", window.requests},
           {"success_rate",
            ratio_json(window.requests - std::min(window.errors, window.requests), window.requests)},
           {"window_seconds", 300}}},
         {"tts_service",
          {{"provider_health",
            main == nullptr ? Json(nullptr) : provider_health(services, snapshot, window, *main)},
           {"circuit_breaker", main == nullptr ? Json(nullptr) : circuit_json(services, main->name)},
           {"circuit_breakers", std::move(breakers)}}},
         {"production_cache", cache_json(services, snapshot)}});
}

std::string scrape(AdminServices& services, const Call& call)
{
    return services.metrics.scrape(*call.snapshot, services.health, services.gauges);
}

Result<AdminResponse> audio_metrics_health(AdminServices& services, const Call& call)
{
    std::size_t families = 0;
    for (const auto& line : split(scrape(services, call), '\n'))
        families += line.starts_with("# TYPE ") ? 1U : 0U;
    const auto stats = services.records.stats();
    const bool losing = stats.dropped > 0 || !stats.last_error.empty();
    return json_response({{"status", losing ? "degraded" : "healthy"},
                          {"timestamp", format_time(services.clock.now())},
                          {"families", families},
                          {"records", records_json(stats)},
                          {"cache", cache_json(services, *call.snapshot)}});
}

AdminResponse prometheus(std::string text)
{
    AdminResponse response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = std::move(text);
    return response;
}

Result<AdminResponse> metrics(AdminServices& services, const Call& call)
{
    return prometheus(scrape(services, call));
}

Result<AdminResponse> audio_metrics(AdminServices& services, const Call& call)
{
    std::string text;
    for (const auto& line : split(scrape(services, call), '\n')) {
        std::string_view name = line;
        for (const std::string_view prefix : {"# HELP ", "# TYPE "})
            if (name.starts_with(prefix))
                name.remove_prefix(prefix.size());
        if (name.starts_with("audio_") || name.starts_with("tts_") || name.starts_with("stt_"))
            text += line + "\n";
    }
    return prometheus(std::move(text));
}

constexpr bool k_both = true;

constexpr std::array k_routes{
    Route{"GET", "/health", Scope::open, "How the agent and its providers are", "", "", "Health", health,
          k_both},
    Route{"GET", "/health/live", Scope::open, "Is the process alive", "", "", "Alive", live, k_both},
    Route{"GET", "/health/ready", Scope::open, "May it get traffic: 200 or 503", "", "", "Ready", ready,
          k_both},
    Route{"GET", "/health/providers", Scope::open, "Health of the providers", "", "", "ProvidersHealth",
          providers, k_both},
    Route{"GET", "/health/audio", Scope::open, "Health of the audio pipeline", "", "", "AudioHealth", audio,
          k_both},
    Route{"GET", "/health/audio/tts", Scope::open, "Health of the speech providers", "", "",
          "ProvidersHealth", speech, k_both},
    Route{"GET", "/health/audio/metrics", Scope::open, "Are metrics and records being collected", "", "",
          "MetricsHealth", audio_metrics_health, k_both},
    Route{"GET", "/metrics", Scope::open, "All metrics for Prometheus", "", "", "text", metrics, k_both},
    Route{"GET", "/metrics/audio", Scope::open, "The audio metrics for Prometheus", "", "", "text",
          audio_metrics, k_both},
};

} // namespace

std::span<const Route> health_routes()
{
    return k_routes;
}

} // namespace conduit::agent
