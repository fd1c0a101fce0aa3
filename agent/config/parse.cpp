// SPDX-License-Identifier: Apache-2.0
#include "agent/config/sections.hpp"
#include "core/hash.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>

namespace conduit::agent {
namespace {

constexpr std::uint64_t k_kib = 1024;
constexpr std::uint64_t k_mib = k_kib * 1024;
constexpr std::uint64_t k_gib = k_mib * 1024;
constexpr std::array<std::string_view, 2> k_cache_stores{"memory", "redis"};
constexpr std::array<std::string_view, 2> k_limit_stores{"local", "redis"};
constexpr std::array<std::string_view, 2> k_control_stores{"sqlite", "configmap"};
constexpr std::array<std::string_view, 2> k_record_stores{"sqlite", "none"};

void read_address(Fields& fields, std::string_view key, HostPort& out)
{
    const auto node = fields.take(key);
    if (!node.exists())
        return;
    if (auto parsed = parse_host_port(node.scalar()))
        out = *parsed;
    else
        fields.report(node.error(parsed.error().message, parsed.error().hint));
}

void read_tls(Fields& parent, std::string_view key, TlsFiles& out)
{
    if (!parent.has(key))
        return;
    Fields fields(parent.take(key), key, parent.context());
    fields.path("certificate", out.certificate);
    fields.path("key", out.key);
    fields.path("client_ca", out.client_ca);
    for (const std::string_view part : {"certificate", "key"})
        if (!fields.has(part))
            fields.report(fields.node().error(fmt::format("'{}' needs '{}'", key, part),
                                              "Add certificate: PATH and key: PATH, both PEM."));
}

void read_server(Fields fields, ServerConfig& out)
{
    std::uint32_t threads = out.threads;
    fields.count("threads", threads, 0, 256);
    out.threads = threads;
    fields.bytes("max_body", out.max_body, k_kib, 4 * k_gib);
    fields.bytes("max_header", out.max_header, k_kib, k_mib);
    fields.duration("header_timeout", out.header_timeout);
    fields.duration("body_idle_timeout", out.body_idle_timeout);
    fields.duration("keepalive_timeout", out.keepalive_timeout);
    fields.duration("request_timeout", out.request_timeout);
    fields.duration("drain_timeout", out.drain_timeout);
    fields.bytes("replay_limit", out.replay_limit, 0, k_gib);
    fields.bytes("replay_budget", out.replay_budget, 0, 16 * k_gib);
    fields.bytes("max_json_body", out.max_json_body, k_kib, 64 * k_mib);
}

void read_pool(Fields fields, PoolConfig& out)
{
    fields.duration("max_idle", out.max_idle);
    fields.duration("connect_timeout", out.connect_timeout);
    fields.duration("max_age", out.max_age);
    fields.duration("realtime_drain", out.realtime_drain);
}

void read_cache(Fields fields, CacheConfig& out)
{
    fields.flag("enabled", out.enabled);
    fields.choice("store", out.store, k_cache_stores);
    fields.bytes("max_bytes", out.max_bytes, 0, 1024 * k_gib);
    fields.bytes("max_entry_bytes", out.max_entry_bytes, 0, k_gib);
    Fields ttl(fields.take("ttl"), "ttl", fields.context());
    ttl.duration("transcription", out.ttl_transcription);
    ttl.duration("speech", out.ttl_speech);
}

void read_limits(Fields fields, LimitsConfig& out)
{
    fields.rate("per_key", out.per_key);
    fields.rate("global", out.global);
    fields.ratio("retry_budget", out.retry_budget);
    fields.rate("retry_floor", out.retry_floor);
    fields.count("replicas", out.replicas, 0, 10'000);
    fields.choice("store", out.store, k_limit_stores);
}

void read_health(Fields fields, HealthConfig& out)
{
    fields.duration("probe_interval", out.probe_interval);
    fields.duration("probe_timeout", out.probe_timeout);
    fields.count("breaker_failures", out.breaker_failures, 1, 10'000);
    fields.duration("breaker_open_min", out.breaker_open_min);
    fields.duration("breaker_open_max", out.breaker_open_max);
    if (out.breaker_open_max < out.breaker_open_min)
        fields.report(fields.node().error("'breaker_open_max' is shorter than 'breaker_open_min'"));
}

void read_safety(Fields fields, SafetyConfig& out)
{
    fields.flag("enabled", out.enabled);
    fields.flag("emergency", out.emergency);
    fields.path("rules", out.rules);
    fields.text("moderation_url", out.moderation_url);
    fields.secret("moderation_key", out.moderation_key);
    fields.duration("moderation_timeout", out.moderation_timeout);
    fields.flag("moderation_required", out.moderation_required);
    if (!out.moderation_url.empty())
        if (auto fine = check_endpoint(out.moderation_url, false); !fine)
            fields.report(fields.take("moderation_url").error(fine.error().message, fine.error().hint));
    if (out.enabled && out.rules.empty() && out.moderation_url.empty())
        fields.report(fields.node().error("safety is enabled without rules",
                                          "Add rules: PATH, or set enabled: false."));
}

// RFC 1123, as the API server wants it; a ConfigMap's may be longer, but the journal's name adds to it.
bool is_object_name(std::string_view name)
{
    const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
    return !name.empty() && name.size() <= 63 && std::ranges::all_of(name, fits) && name.front() != '-' &&
           name.back() != '-';
}

void read_control(Fields fields, StoreConfig& out)
{
    out.path = "/var/lib/conduit/control.db";
    fields.choice("store", out.store, k_control_stores);
    fields.path("path", out.path);
    fields.text("name", out.name);
    fields.text("namespace", out.name_space);
    fields.path("kubeconfig", out.kubeconfig);
    if (!is_object_name(out.name) || (!out.name_space.empty() && !is_object_name(out.name_space)))
        fields.report(fields.node().error("'name' and 'namespace' must be names of the cluster's objects",
                                          "Use small letters, digits and '-', at most 63."));
}

void read_records(Fields fields, RecordsConfig& out)
{
    out.path = "/var/lib/conduit/records.db";
    fields.choice("store", out.store, k_record_stores);
    fields.path("path", out.path);
    fields.path("spool", out.spool);
    fields.bytes("spool_bytes", out.spool_bytes, k_mib, 1024 * k_gib);
    fields.duration("flush_interval", out.flush_interval);
    fields.count("keep_days", out.keep_days, 1, 3650);
}

void read_root(const YamlNode& root, Config& config, FieldContext& context)
{
    Fields fields(root, "the configuration", context);
    const auto section = [&](std::string_view key) { return fields.take(key); };
    fields.text("name", config.name);
    if (!config.name.empty() && !is_path_name(config.name))
        fields.report(section("name").error("'name' has characters that a replica's name cannot have",
                                            "Use letters, digits and ._-"));
    {
        Fields listen(section("listen"), "listen", context);
        read_address(listen, "data", config.listen.data);
        read_address(listen, "admin", config.listen.admin);
        read_tls(listen, "data_tls", config.listen.data_tls);
        read_tls(listen, "admin_tls", config.listen.admin_tls);
    }
    {
        Fields admin(section("admin"), "admin", context);
        admin.path("tokens", config.admin_tokens);
    }
    {
        Fields keys(section("keys"), "keys", context);
        keys.path("file", config.keys_file);
    }
    config.providers = read_providers(section("providers"), context);
    read_server({section("server"), "server", context}, config.server);
    read_pool({section("pool"), "pool", context}, config.pool);
    config.redis = read_redis(section("redis"), context);
    if (config.redis.on) // it is named to be used
        config.cache.store = config.limits.store = "redis";
    read_cache({section("cache"), "cache", context}, config.cache);
    read_limits({section("limits"), "limits", context}, config.limits);
    for (const auto& [key, store] : {std::pair{"cache", config.cache.store}, {"limits", config.limits.store}})
        if (store == "redis" && !config.redis.on)
            fields.report(
                section(key).error(fmt::format("'{}' is to be kept in Redis, and none is named", key),
                                   "Add redis: {address: HOST:6379}."));
    read_health({section("health"), "health", context}, config.health);
    read_safety({section("safety"), "safety", context}, config.safety);
    read_control({section("control"), "control", context}, config.control);
    read_records({section("records"), "records", context}, config.records);
    if (config.providers.empty() && section("providers").keys().empty())
        fields.report(root.error("no provider is configured", "Add at least one entry under providers:."));
    if (config.keys_file.empty() && !is_loopback(config.listen.data.host))
        fields.report(root.error(
            fmt::format("listening on {} without a key file would let anybody in", config.listen.data.host),
            "Add keys: {file: PATH}, or listen on 127.0.0.1."));
}

int line_of(const Error& error)
{
    const auto it = error.details.find("line");
    return it == error.details.end() ? 0 : std::atoi(it->second.c_str());
}

} // namespace

std::expected<Config, std::vector<Error>> parse_config(std::string_view yaml, const fs::path& file)
{
    const auto root = parse_yaml(yaml, file.empty() ? "agent.yaml" : file.string());
    if (!root)
        return std::unexpected(std::vector{root.error()});
    Config config;
    config.file = file;
    config.sha256 = sha256_hex(yaml);
    FieldContext context{file.parent_path(), {}, {}};
    read_root(*root, config, context);
    config.secret_files = std::move(context.secret_files);
    if (context.errors.empty())
        return config;
    std::ranges::stable_sort(context.errors, {}, line_of);
    return std::unexpected(std::move(context.errors));
}

std::expected<Config, std::vector<Error>> load_config(const fs::path& file)
{
    std::error_code ec;
    const auto absolute = fs::absolute(file, ec);
    auto text = read_file(ec ? file : absolute, 4U << 20U);
    if (!text)
        return std::unexpected(std::vector{std::move(text).error()});
    return parse_config(*text, ec ? file : absolute);
}

} // namespace conduit::agent
