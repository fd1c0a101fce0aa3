// SPDX-License-Identifier: Apache-2.0
#include "agent/metrics/exposition.hpp"
#include "agent/metrics/metrics.hpp"
#include "agent/metrics/metrics_impl.hpp"
#include "agent/metrics/process_stats.hpp"

#include <algorithm>
#include <limits>
#include <map>

namespace conduit::agent {
namespace {

constexpr double k_nan = std::numeric_limits<double>::quiet_NaN();

struct Merged {
    double value = 0;
    std::vector<std::uint64_t> buckets;
};
using MergedFamily = std::map<LabelSet, Merged>;

MergedFamily merge_family(const std::vector<std::unique_ptr<MetricsShard>>& shards, std::size_t index,
                          std::size_t buckets)
{
    MergedFamily merged;
    for (const auto& shard : shards)
        shard->families[index].each([&](const Series& series) {
            auto& into = merged[*series.labels];
            into.value += series.value.load(std::memory_order_relaxed);
            into.buckets.resize(buckets);
            for (std::size_t b = 0; b < buckets; ++b)
                into.buckets[b] += series.buckets[b].load(std::memory_order_relaxed);
        });
    return merged;
}

std::vector<Exposition::Label> labelled(const FamilyInfo& info, const LabelSet& values)
{
    std::vector<Exposition::Label> labels;
    for (std::size_t i = 0; i < info.labels.size() && i < values.size(); ++i)
        labels.emplace_back(info.labels[i], values[i]);
    return labels;
}

void write_histogram(Exposition& out, const FamilyInfo& info, const MergedFamily& merged)
{
    const auto bounds = seconds_bounds();
    for (const auto& [values, series] : merged) {
        auto labels = labelled(info, values);
        std::uint64_t sum = 0;
        for (std::size_t b = 0; b <= bounds.size(); ++b) {
            sum += series.buckets[b];
            const auto bound =
                format_number(b < bounds.size() ? bounds[b] : std::numeric_limits<double>::infinity());
            labels.emplace_back("le", bound);
            out.sample("_bucket", labels, static_cast<double>(sum));
            labels.pop_back();
        }
        out.sample("_sum", labels, series.value);
        out.sample("_count", labels, static_cast<double>(sum));
    }
}

void write_requests(Exposition& out, const std::vector<std::unique_ptr<MetricsShard>>& shards)
{
    for (std::size_t i = 0; i < k_families; ++i) {
        const auto& info = family_info(static_cast<Family>(i));
        const bool histogram = info.type == "histogram";
        auto merged = merge_family(shards, i, histogram ? seconds_bounds().size() + 1 : 0);
        if (!histogram && info.labels.empty())
            merged[{}]; // a counter without labels begins at 0
        if (static_cast<Family>(i) == Family::rate_limited)
            for (const auto reason : {LimitReason::key, LimitReason::global, LimitReason::emergency})
                merged[{std::string(limit_reason_name(reason))}];
        out.family(info.name, info.help, info.type);
        if (histogram)
            write_histogram(out, info, merged);
        else
            for (const auto& [values, series] : merged)
                out.sample("", labelled(info, values), series.value);
    }
}

void write_window(Exposition& out, const Snapshot& snapshot, const std::vector<SummaryBucket>& window,
                  const SpeechCache& speech)
{
    std::uint64_t hits = 0;
    std::uint64_t lookups = 0;
    for (const auto& bucket : window) {
        hits += bucket.cache_hits;
        lookups += bucket.cache_lookups;
    }
    const auto ratio = [](auto part, auto whole) {
        return whole == 0 ? k_nan : static_cast<double>(part) / static_cast<double>(whole);
    };
    out.gauge("audio_cache_hit_rate", "Share of cache lookups answered, last five minutes.",
              ratio(hits, lookups));
    out.gauge("tts_cache_hit_ratio", "Share of speech lookups answered, last five minutes.",
              ratio(speech.hits, speech.lookups));

    out.family("audio_provider_latency", "Request duration in seconds by provider, last five minutes.",
               "summary");
    const auto& providers = snapshot.config.providers;
    for (std::size_t p = 0; p < std::min(providers.size(), k_max_providers); ++p) {
        std::array<std::uint32_t, 24> counts{};
        std::uint64_t requests = 0;
        for (const auto& bucket : window) {
            requests += bucket.providers[p].requests;
            for (std::size_t b = 0; b < counts.size(); ++b)
                counts[b] += bucket.providers[p].latency[b];
        }
        const std::string_view name = providers[p].name;
        for (const auto& [text, q] : {std::pair{"0.5", 0.5}, {"0.95", 0.95}, {"0.99", 0.99}})
            out.sample({{"provider", name}, {"quantile", text}}, quantile_ms(counts, q) / 1000);
        const std::array<Exposition::Label, 1> label{{{"provider", name}}};
        out.sample("_count", label, static_cast<double>(requests));
    }
}

struct ProviderView {
    const ProviderConfig& config;
    const ProviderHealth& health;
};

double usable_score(const ProviderView& provider, SteadyTime now)
{
    const bool out = provider.health.auth_failed.load(std::memory_order_relaxed) ||
                     provider.health.breaker.state(now) == CircuitState::open;
    return out ? 0 : provider.health.score();
}

void write_quota(Exposition& out, const std::vector<ProviderView>& providers)
{
    out.family("provider_quota", "The provider's own limit on requests, as it told last.", "gauge");
    for (const auto& [config, health] : providers) {
        const auto limit = health.quota_limit.load(std::memory_order_relaxed);
        const auto remaining = health.quota_remaining.load(std::memory_order_relaxed);
        if (limit >= 0)
            out.sample({{"provider", config.name}, {"kind", "limit"}}, static_cast<double>(limit));
        if (remaining >= 0)
            out.sample({{"provider", config.name}, {"kind", "remaining"}}, static_cast<double>(remaining));
        if (limit > 0 && remaining >= 0)
            out.sample({{"provider", config.name}, {"kind", "used_ratio"}},
                       std::max(0.0, 1.0 - static_cast<double>(remaining) / static_cast<double>(limit)));
    }
}

void write_providers(Exposition& out, const Snapshot& snapshot, HealthBoard& board, SteadyTime now)
{
    std::vector<ProviderView> providers;
    for (const auto& config : snapshot.config.providers)
        providers.push_back({config, board.of(config.name)});

    out.family("tts_provider_health_score", "0 to 1; 0 while the circuit is open.", "gauge");
    for (const auto& provider : providers) {
        const std::string_view region = provider.config.region;
        out.sample({{"provider", provider.config.name}, {"region", region.empty() ? "default" : region}},
                   usable_score(provider, now));
    }
    out.family("conduit_provider_health", "1 when the provider may get requests.", "gauge");
    for (const auto& [config, health] : providers)
        out.sample({{"provider", config.name}}, config.enabled && health.available(now) ? 1 : 0);
    out.family("audio_provider_health_status", "1 for the status that holds.", "gauge");
    for (const auto& provider : providers) {
        const auto score = usable_score(provider, now);
        const std::string_view holds = score >= 0.9 ? "healthy" : score > 0 ? "degraded" : "unhealthy";
        for (const std::string_view status : {"healthy", "degraded", "unhealthy"})
            out.sample({{"provider", provider.config.name}, {"status", status}}, status == holds ? 1 : 0);
    }
    out.family("conduit_provider_circuit_state", "1 for the state that holds.", "gauge");
    for (const auto& [config, health] : providers)
        for (const auto state : {CircuitState::closed, CircuitState::open, CircuitState::half_open})
            out.sample({{"provider", config.name}, {"state", circuit_name(state)}},
                       health.breaker.state(now) == state ? 1 : 0);
    out.family("conduit_provider_weight", "The weight in force; 0 when disabled.", "gauge");
    for (const auto& [config, health] : providers)
        out.sample({{"provider", config.name}}, config.enabled ? config.weight : 0);
    double in_flight = 0;
    for (const auto& [config, health] : providers)
        in_flight += health.in_flight.load(std::memory_order_relaxed);
    out.gauge("conduit_llm_active_requests", "Requests at the providers now.", in_flight);
    write_quota(out, providers);
}

void write_pools(Exposition& out, const std::vector<PoolStats>& pools)
{
    const auto each = [&](std::string_view name, std::string_view help, std::string_view type, auto member) {
        out.family(name, help, type);
        for (const auto& pool : pools)
            out.sample({{"provider", pool.provider}}, static_cast<double>(pool.*member));
    };
    each("audio_connection_pool_active_connections", "Connections in use.", "gauge", &PoolStats::in_use);
    each("audio_connection_pool_total_connections", "Connections that may be open at once.", "gauge",
         &PoolStats::limit);
    each("audio_connection_pool_open_connections", "Connections open now.", "gauge", &PoolStats::open);
    each("audio_connection_pool_idle_connections", "Connections kept for the next request.", "gauge",
         &PoolStats::idle);
    each("audio_connection_pool_waiting_requests", "Requests that wait for a connection.", "gauge",
         &PoolStats::waiting);
    each("audio_connection_pool_exhausted_total", "Requests that found no free connection.", "counter",
         &PoolStats::exhausted);
    each("audio_connection_pool_created_total", "Connections opened.", "counter", &PoolStats::created);
    each("audio_connection_pool_reused_total", "Requests on a kept connection.", "counter",
         &PoolStats::reused);
    each("audio_connection_pool_failed_total", "Connections that could not be opened.", "counter",
         &PoolStats::failed);
}

void write_process(Exposition& out, const Snapshot& snapshot, const GaugeSource& gauges)
{
    const auto process = read_process_stats();
    out.gauge("audio_memory_usage_bytes", "Resident memory of this replica.",
              static_cast<double>(process.resident_bytes));
    out.gauge("audio_memory_limit_bytes", "Memory that this replica may use.",
              static_cast<double>(process.limit_bytes));
    out.counter("process_cpu_seconds_total", "Processor time, user and system.", process.cpu_seconds);
    out.gauge("process_resident_memory_bytes", "Resident memory.",
              static_cast<double>(process.resident_bytes));
    out.gauge("process_open_fds", "Open file descriptors.", static_cast<double>(process.open_files));
    out.gauge("audio_realtime_active_sessions", "Open realtime sessions.",
              static_cast<double>(gauges.realtime_sessions()));
    out.gauge("conduit_client_connections", "Open connections of clients.",
              static_cast<double>(gauges.connections()));
    out.gauge("audio_cache_size_bytes", "Bytes held by the cache.",
              static_cast<double>(gauges.cache_bytes()));
    out.gauge("audio_cache_entries", "Answers held by the cache.",
              static_cast<double>(gauges.cache_entries()));
    out.gauge("conduit_control_revision", "Revision of the control state in force.",
              static_cast<double>(snapshot.revision));
    out.family("conduit_build_info", "Always 1; the version is in the label.", "gauge");
    out.sample({{"version", CONDUIT_VERSION}}, 1);

    const auto records = gauges.records();
    out.gauge("conduit_records_queued", "Records not yet written.", static_cast<double>(records.queued));
    out.gauge("conduit_records_spool_bytes", "Size of the spool file.",
              static_cast<double>(records.spool_bytes));
    out.counter("conduit_records_written_total", "Records in the store.",
                static_cast<double>(records.written));
    out.counter("conduit_records_spooled_total", "Records that went through the spool.",
                static_cast<double>(records.spooled));
    out.counter("conduit_records_dropped_total", "Records lost because queue and spool were full.",
                static_cast<double>(records.dropped));
}

void write_redis(Exposition& out, const RedisState& redis)
{
    if (!redis.configured)
        return;
    out.gauge("conduit_redis_up", "Whether this replica reaches the Redis that the fleet shares.",
              redis.up ? 1 : 0);
    out.gauge("conduit_limits_local", "Whether limits are this replica's own share because Redis is away.",
              redis.up ? 0 : 1);
    out.counter("conduit_redis_commands_total", "Commands that Redis answered.",
                static_cast<double>(redis.commands));
    out.counter("conduit_redis_errors_total", "Commands that Redis answered with an error.",
                static_cast<double>(redis.errors));
    out.counter("conduit_redis_timeouts_total", "Commands without an answer in time.",
                static_cast<double>(redis.timeouts));
    out.counter("conduit_redis_skipped_total", "Commands not sent, because Redis was away.",
                static_cast<double>(redis.skipped));
    out.counter("conduit_redis_connects_total", "Connections made to Redis.",
                static_cast<double>(redis.connects));
    out.family("conduit_redis_latency_seconds", "From asking Redis to its answer.", "summary");
    out.sample("_sum", {}, redis.seconds);
    out.sample("_count", {}, static_cast<double>(redis.commands));
}

} // namespace

std::string Metrics::scrape(const Snapshot& snapshot, HealthBoard& health, const GaugeSource& gauges) const
{
    const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    const auto window = summary(k_ring_seconds - 1, now);
    SpeechCache speech;
    for (const auto& shard : impl_->shards) {
        const auto part = shard->ring.speech_cache(window.front().second, window.back().second);
        speech.hits += part.hits;
        speech.lookups += part.lookups;
    }
    Exposition out;
    write_requests(out, impl_->shards);
    write_window(out, snapshot, window, speech);
    write_providers(out, snapshot, health, std::chrono::steady_clock::now());
    write_pools(out, gauges.pools());
    write_process(out, snapshot, gauges);
    write_redis(out, gauges.redis());
    return out.take();
}

} // namespace conduit::agent
