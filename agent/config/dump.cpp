// SPDX-License-Identifier: Apache-2.0
#include "agent/config/config.hpp"
#include "core/hash.hpp"

#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

Json secret(const std::string& value)
{
    return value.empty() ? Json(nullptr) : Json{{"fingerprint", fingerprint(value)}};
}

Json text(Duration value)
{
    return format_duration(value);
}

std::string address(const HostPort& value)
{
    return (value.host.contains(':') ? "[" + value.host + "]" : value.host) + ":" +
           std::to_string(value.port);
}

Json server_json(const ServerConfig& c)
{
    return {{"threads", c.threads},
            {"max_body", c.max_body},
            {"max_header", c.max_header},
            {"header_timeout", text(c.header_timeout)},
            {"body_idle_timeout", text(c.body_idle_timeout)},
            {"keepalive_timeout", text(c.keepalive_timeout)},
            {"request_timeout", text(c.request_timeout)},
            {"drain_timeout", text(c.drain_timeout)},
            {"replay_limit", c.replay_limit},
            {"replay_budget", c.replay_budget},
            {"max_json_body", c.max_json_body}};
}

Json control_json(const StoreConfig& c)
{
    Json json{{"store", c.store}, {"path", c.path.string()}};
    if (c.store == "configmap")
        json.update({{"name", c.name}, {"namespace", c.name_space}, {"kubeconfig", c.kubeconfig.string()}});
    return json;
}

Json redis_json(const RedisConfig& c)
{
    if (!c.on)
        return nullptr;
    const auto& s = c.settings;
    Json sentinels = Json::array();
    for (const auto& sentinel : s.sentinels)
        sentinels.push_back(sentinel.text);
    return {{"address", s.address.text},
            {"sentinels", sentinels},
            {"master", s.master},
            {"database", s.database},
            {"username", s.identity.username},
            {"password_ref", secret(s.identity.password)},
            {"sentinel_username", s.sentinel_identity.username},
            {"sentinel_password_ref", secret(s.sentinel_identity.password)},
            {"tls",
             {{"enabled", s.tls.on},
              {"ca", s.tls.ca.string()},
              {"certificate", s.tls.certificate.string()},
              {"key", s.tls.key.string()},
              {"server_name", s.tls.server_name},
              {"verify", s.tls.verify}}},
            {"connect_timeout", text(s.connect_timeout)},
            {"deadline", text(c.deadline)}};
}

} // namespace

Json provider_json(const ProviderConfig& p)
{
    Json models = Json::object();
    for (const auto& [operation, model] : p.models)
        models[std::string(operation_name(operation))] = model;
    Json operations = Json::array();
    for (const auto operation : p.operations)
        operations.push_back(operation_name(operation));
    return {{"kind", kind_name(p.kind)},
            {"enabled", p.enabled},
            {"weight", p.weight},
            {"endpoint", p.endpoint},
            {"regions", p.regions},
            {"region", p.region},
            {"endpoints", p.endpoints},
            {"key", secret(p.key)},
            {"access_key", secret(p.access_key)},
            {"secret_key", secret(p.secret_key)},
            {"timeout", text(p.timeout)},
            {"first_byte_timeout", text(p.first_byte_timeout)},
            {"realtime_drain", text(p.realtime_drain)},
            {"max_connections", p.max_connections},
            {"max_concurrent", p.max_concurrent},
            {"models", models},
            {"rewrite_model", p.rewrite_model},
            {"default_language", p.default_language},
            {"voices", p.voices},
            {"operations", operations},
            {"price",
             {{"speech_per_1k_characters", p.price.speech_per_1k_characters},
              {"transcription_per_minute", p.price.transcription_per_minute},
              {"realtime_per_minute", p.price.realtime_per_minute},
              {"chat_per_1k_tokens", p.price.chat_per_1k_tokens}}},
            {"ca_file", p.ca_file},
            {"insecure", p.insecure}};
}

Json tls(const TlsFiles& files)
{
    return {{"certificate", files.certificate.string()},
            {"key", files.key.string()},
            {"client_ca", files.client_ca.string()}};
}

Json config_json(const Config& c)
{
    Json providers = Json::object();
    for (const auto& provider : c.providers)
        providers[provider.name] = provider_json(provider);
    return {{"name", c.name},
            {"listen",
             {{"data", address(c.listen.data)},
              {"admin", address(c.listen.admin)},
              {"data_tls", tls(c.listen.data_tls)},
              {"admin_tls", tls(c.listen.admin_tls)}}},
            {"admin", {{"tokens", c.admin_tokens.string()}}},
            {"keys", {{"file", c.keys_file.string()}}},
            {"providers", providers},
            {"server", server_json(c.server)},
            {"pool",
             {{"max_idle", text(c.pool.max_idle)},
              {"connect_timeout", text(c.pool.connect_timeout)},
              {"max_age", text(c.pool.max_age)},
              {"realtime_drain", text(c.pool.realtime_drain)}}},
            {"cache",
             {{"enabled", c.cache.enabled},
              {"store", c.cache.store},
              {"max_bytes", c.cache.max_bytes},
              {"max_entry_bytes", c.cache.max_entry_bytes},
              {"ttl",
               {{"transcription", text(c.cache.ttl_transcription)}, {"speech", text(c.cache.ttl_speech)}}}}},
            {"limits",
             {{"per_key", format_rate(c.limits.per_key)},
              {"global", format_rate(c.limits.global)},
              {"retry_budget", c.limits.retry_budget},
              {"retry_floor", format_rate(c.limits.retry_floor)},
              {"replicas", c.limits.replicas},
              {"store", c.limits.store}}},
            {"redis", redis_json(c.redis)},
            {"health",
             {{"probe_interval", text(c.health.probe_interval)},
              {"probe_timeout", text(c.health.probe_timeout)},
              {"breaker_failures", c.health.breaker_failures},
              {"breaker_open_min", text(c.health.breaker_open_min)},
              {"breaker_open_max", text(c.health.breaker_open_max)}}},
            {"safety",
             {{"enabled", c.safety.enabled},
              {"rules", c.safety.rules.string()},
              {"emergency", c.safety.emergency},
              {"moderation_url", c.safety.moderation_url},
              {"moderation_key", secret(c.safety.moderation_key)},
              {"moderation_timeout", text(c.safety.moderation_timeout)},
              {"moderation_required", c.safety.moderation_required}}},
            {"control", control_json(c.control)},
            {"records",
             {{"store", c.records.store},
              {"path", c.records.path.string()},
              {"spool", c.records.spool.string()},
              {"spool_bytes", c.records.spool_bytes},
              {"flush_interval", text(c.records.flush_interval)},
              {"keep_days", c.records.keep_days}}}};
}

} // namespace conduit::agent
