// SPDX-License-Identifier: Apache-2.0
// Pools, cache, limits, blocklist, usage and safety.
#include "agent/admin/provider_actions.hpp"
#include "agent/admin/statistics.hpp"
#include "core/hash.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

namespace conduit::agent {
namespace {

constexpr std::size_t k_max_warm = 1000;
constexpr Duration k_warm_one{60'000};
constexpr Duration k_warm_all{600'000};

constexpr Duration k_redis_wait{2'000};

bool shares_cache(const AdminServices& services, const Call& call)
{
    return services.shared_cache != nullptr && call.snapshot->config.cache.store == "redis";
}

Json shared_json(const AdminServices& services, const Call& call)
{
    if (!shares_cache(services, call))
        return nullptr;
    const auto stats = services.shared_cache->stats();
    const auto sweep = services.shared_cache->last_sweep();
    const auto used = services.shared_cache->used_bytes(k_redis_wait);
    return {{"status", services.shared_cache->up() ? "up" : "away"},
            {"where", services.gauges.redis().where},
            {"hits", stats.hits},
            {"misses", stats.misses},
            {"unusable", stats.unusable},
            {"writes", stats.writes},
            {"failures", stats.failures},
            {"used_bytes", used ? Json(*used) : Json(nullptr)},
            {"last_clear",
             {{"state", sweep_state_name(sweep.state)},
              {"epoch", sweep.epoch},
              {"prefix", sweep.prefix},
              {"removed", sweep.removed},
              {"error", sweep.error}}}};
}

Json key_json(const CacheEntryInfo& entry, std::string_view store)
{
    return {{"key", entry.key},   {"bytes", entry.bytes},       {"expires_in_ms", entry.expires_in.count()},
            {"hits", entry.hits}, {"provider", entry.provider}, {"store", store}};
}

Result<AdminResponse> cache(AdminServices& services, const Call& call)
{
    const auto stats = services.cache.stats();
    const auto& config = call.snapshot->config.cache;
    return json_response({{"enabled", config.enabled},
                          {"store", config.store},
                          {"entries", stats.entries},
                          {"bytes", stats.bytes},
                          {"max_bytes", stats.max_bytes},
                          {"hits", stats.hits},
                          {"misses", stats.misses},
                          {"hit_rate", ratio_json(stats.hits, stats.hits + stats.misses)},
                          {"evictions", stats.evictions},
                          {"expired", stats.expired},
                          {"inserts", stats.inserts},
                          {"cleared", stats.cleared},
                          {"ttl",
                           {{"speech", format_duration(config.ttl_speech)},
                            {"transcription", format_duration(config.ttl_transcription)}}},
                          {"clear_epoch", call.snapshot->cache_clear.epoch},
                          {"shared", shared_json(services, call)}});
}

Result<AdminResponse> cache_keys(AdminServices& services, const Call& call)
{
    TRY_ASSIGN(const auto limit, call.number("limit", 100, 10'000));
    Json items = Json::array();
    std::set<std::string> here;
    for (const auto& entry : services.cache.list(call.text("prefix"), limit, services.clock.steady())) {
        items.push_back(key_json(entry, "memory"));
        here.insert(entry.key);
    }
    if (shares_cache(services, call) && items.size() < limit) {
        const auto shared = services.shared_cache->list(
            call.text("prefix"), clear_mark(*call.snapshot).revision, limit, k_redis_wait);
        for (const auto& entry : shared.value_or(std::vector<CacheEntryInfo>{}))
            if (items.size() < limit && here.insert(entry.key).second)
                items.push_back(key_json(entry, "redis"));
    }
    return json_response({{"items", std::move(items)}});
}

Result<AdminResponse> cache_warm(AdminServices& services, const Call& call)
{
    const auto& items = (*call.body)["items"];
    if (items.size() > k_max_warm)
        return fail(ErrorKind::usage, fmt::format("{} items, at most {} at once", items.size(), k_max_warm));
    return json_response(warm(services, items));
}

Result<AdminResponse> limits(AdminServices& services, const Call& call)
{
    const auto& snapshot = *call.snapshot;
    Json keys = Json::array();
    std::set<std::string> seen;
    for (const auto& key : snapshot.keys.all())
        if (seen.insert(key->id).second)
            keys.push_back(
                {{"id", key->id},
                 {"limit", format_rate(key->limit.count > 0 ? key->limit : snapshot.config.limits.per_key)},
                 {"allowed", key->slot->allowed.load(std::memory_order_relaxed)},
                 {"refused", key->slot->refused.load(std::memory_order_relaxed)},
                 {"blocked", key->blocked}});
    const auto& global = services.limiter.global();
    return json_response(
        {{"per_key", format_rate(snapshot.config.limits.per_key)},
         {"global", format_rate(snapshot.config.limits.global)},
         {"emergency",
          snapshot.emergency_rpm ? Json{{"requests_per_minute", *snapshot.emergency_rpm}} : Json(nullptr)},
         {"replicas", snapshot.replicas},
         {"keys", std::move(keys)},
         {"global_counters", {{"allowed", global.allowed.load()}, {"refused", global.refused.load()}}},
         {"retry_budget", snapshot.config.limits.retry_budget}});
}

// The counters live in the metrics; their text form is the one way to read them all.
std::uint64_t count_checks(const std::string& text, std::string_view result)
{
    double sum = 0;
    const auto label = fmt::format("result=\"{}\"", result);
    for (const auto& line : split(text, '\n'))
        if (line.starts_with("audio_safety_checks_total{") && line.contains(label))
            sum += std::strtod(line.c_str() + line.rfind(' '), nullptr);
    return static_cast<std::uint64_t>(sum);
}

Result<AdminResponse> safety(AdminServices& services, const Call& call)
{
    Json rules = Json::array();
    for (const auto& rule : services.controller.rules()->rules())
        rules.push_back({{"name", rule.name},
                         {"type", rule.type},
                         {"severity", rule.severity},
                         {"pattern", rule.pattern},
                         {"action", rule.action},
                         {"age_groups", rule.age_groups}});
    const auto text = services.metrics.scrape(*call.snapshot, services.health, services.gauges);
    return json_response(
        {{"enabled", call.snapshot->config.safety.enabled},
         {"emergency", call.snapshot->config.safety.emergency},
         {"rules", std::move(rules)},
         {"checks",
          {{"allowed", count_checks(text, "allowed")}, {"blocked", count_checks(text, "blocked")}}}});
}

// Which store the figures are of: replicas on one host may share a file, and must not be summed then.
std::string records_store(const RecordsConfig& config)
{
    struct stat file{};
    if (config.store == "none" || ::stat(config.path.c_str(), &file) != 0)
        return "";
    std::array<char, 256> host{};
    (void)::gethostname(host.data(), host.size() - 1);
    return sha256_hex(fmt::format("{}/{}/{}", host.data(), file.st_dev, file.st_ino)).substr(0, 16);
}

Result<UsageQuery> read_usage(const Call& call)
{
    UsageQuery query;
    const std::vector<std::string> fields{"key", "provider", "model", "operation", "day"};
    const std::vector<std::string> orders{"requests", "cost", "audio_seconds", "characters", "tokens"};
    query.by = split(call.text("by", "key"), ',');
    for (const auto& field : query.by)
        if (std::ranges::find(fields, field) == fields.end())
            return fail(ErrorKind::usage, unknown_name("field to group by", printable(field), fields));
    query.order = call.text("order", "requests");
    if (std::ranges::find(orders, query.order) == orders.end())
        return fail(ErrorKind::usage, unknown_name("order", printable(query.order), orders));
    TRY_ASSIGN(query.limit, call.number("limit", 10, 10'000));
    if (const auto since = call.text("since"); !since.empty()) {
        TRY_ASSIGN(query.since, parse_time(since));
    }
    return query;
}

constexpr std::array k_routes{
    Route{"GET", "/admin/v1/pool", Scope::viewer, "Connections to the providers", "", "", "Pools",
          pool_stats},
    Route{"GET", "/admin/v1/connections", Scope::viewer, "Single connections", "limit:integer", "",
          "Connections", connection_list},
    Route{"GET", "/admin/v1/cache", Scope::viewer, "The cache of this replica", "", "", "Cache", cache},
    Route{"GET", "/admin/v1/cache/keys", Scope::viewer, "Entries of the cache",
          "prefix:string, limit:integer", "", "CacheKeys", cache_keys},
    Route{"POST", "/admin/v1/cache/warm", Scope::operator_, "Synthesize into the cache", "", "WarmRequest",
          "WarmResult", cache_warm},
    Route{"GET", "/admin/v1/limits", Scope::viewer, "Rate limits and what they did", "", "", "Limits",
          limits},
    Route{"GET", "/admin/v1/blocklist", Scope::viewer, "Blocked keys", "", "", "Blocklist", blocklist},
    Route{"GET", "/admin/v1/usage", Scope::viewer, "Usage and cost by key, provider, model, operation or day",
          "by:string, limit:integer, since:string, order:string", "", "Usage", usage},
    Route{"GET", "/admin/v1/safety", Scope::viewer, "Safety rules and checks", "", "", "Safety", safety},
    Route{"POST", "/admin/v1/safety/test", Scope::viewer, "What the safety rules say to a text", "",
          "SafetyTest", "SafetyVerdict", safety_test},
};

} // namespace

Json warm(AdminServices& services, const Json& items)
{
    const Deadline deadline(k_warm_all);
    std::size_t warmed = 0, present = 0;
    Json errors = Json::array();
    for (std::size_t i = 0; i < items.size(); ++i) {
        const auto was_there =
            services.data_plane.warm_speech(dump_json(items[i]), deadline.sooner(k_warm_one));
        if (!was_there)
            errors.push_back({{"index", i}, {"error", was_there.error().message}});
        else
            ++(*was_there ? present : warmed);
    }
    return {{"requested", items.size()},
            {"warmed", warmed},
            {"present", present},
            {"failed", errors.size()},
            {"errors", std::move(errors)}};
}

Result<AdminResponse> pool_stats(AdminServices& services, const Call& call)
{
    Json items = Json::array();
    for (const auto& pool : services.data_plane.pool_stats())
        items.push_back(
            {{"provider", pool.provider},
             {"open", pool.open},
             {"idle", pool.idle},
             {"in_use", pool.in_use},
             {"waiting", pool.waiting},
             {"draining", pool.draining},
             {"draining_realtime", pool.draining_realtime},
             {"created", pool.created},
             {"reused", pool.reused},
             {"failed", pool.failed},
             {"closed", pool.closed},
             {"limit", pool.limit},
             {"oldest_age_ms", pool.oldest_age_ms},
             {"usage",
              pool.limit == 0 ? 0.0 : static_cast<double>(pool.in_use) / static_cast<double>(pool.limit)}});
    return json_response({{"reset_epoch", call.snapshot->pool_reset_epoch},
                          {"realtime_drain_ms", call.snapshot->config.pool.realtime_drain.count()},
                          {"items", std::move(items)}});
}

Result<AdminResponse> connection_list(AdminServices& services, const Call& call)
{
    TRY_ASSIGN(const auto limit, call.number("limit", 100, 10'000));
    Json items = Json::array();
    for (const auto& info : services.data_plane.connections(limit))
        items.push_back({{"side", info.side},
                         {"peer", info.peer},
                         {"state", info.state},
                         {"age_ms", info.age_ms},
                         {"requests", info.requests},
                         {"bytes_in", info.bytes_in},
                         {"bytes_out", info.bytes_out}});
    return json_response({{"items", std::move(items)}});
}

Result<AdminResponse> blocklist(AdminServices&, const Call& call)
{
    constexpr std::string_view prefix = "blocklist/";
    Json items = Json::array();
    for (const auto& [path, item] : call.snapshot->state.overrides)
        if (path.starts_with(prefix))
            items.push_back(
                {{"id", path.substr(prefix.size())},
                 {"reason", item.reason.empty() ? json_string_or(*item.value, "reason", "") : item.reason},
                 {"actor", item.actor},
                 {"set_at", format_time(item.set_at)},
                 {"expires_at", item.expires_at ? Json(format_time(*item.expires_at)) : Json(nullptr)}});
    return json_response({{"items", std::move(items)}});
}

Result<AdminResponse> usage(AdminServices& services, const Call& call)
{
    TRY_ASSIGN(const auto query, read_usage(call));
    TRY_ASSIGN(const auto rows, services.records.usage(query));
    Json items = Json::array();
    for (const auto& row : rows)
        items.push_back({{"key_id", row.key_id},
                         {"provider", row.provider},
                         {"model", row.model},
                         {"operation", row.operation},
                         {"day", row.day},
                         {"requests", row.requests},
                         {"errors", row.errors},
                         {"characters", row.characters},
                         {"tokens", row.tokens},
                         {"bytes_in", row.bytes_in},
                         {"bytes_out", row.bytes_out},
                         {"audio_seconds", row.audio_seconds},
                         {"cost_usd", row.cost_usd}});
    return json_response(
        {{"store", records_store(call.snapshot->base->records)}, {"items", std::move(items)}});
}

// What a request with this text would meet: emergency first, then the rules when they are on.
Result<AdminResponse> safety_test(AdminServices& services, const Call& call)
{
    const auto& config = call.snapshot->config.safety;
    SafetyVerdict verdict;
    if (config.emergency)
        verdict = {false, "emergency", "emergency", "critical", "blocked"};
    else if (config.enabled)
        verdict = services.controller.rules()->check((*call.body)["text"].get<std::string>(),
                                                     json_string_or(*call.body, "age_group", ""));
    return json_response({{"allowed", verdict.allowed},
                          {"rule", verdict.rule},
                          {"violation_type", verdict.violation_type},
                          {"severity", verdict.severity},
                          {"action", verdict.action},
                          {"emergency", config.emergency},
                          {"enabled", config.enabled}});
}

std::span<const Route> operate_routes()
{
    return k_routes;
}

} // namespace conduit::agent
