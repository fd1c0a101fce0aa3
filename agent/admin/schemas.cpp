// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/schema.hpp"

#include <array>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

struct Component {
    const char* name;
    const char* fields;
};

constexpr std::array k_components{
    Component{"Error", "error:ErrorBody"},
    Component{"ErrorBody", "code:string, message:string, hint:string, details:object"},
    Component{"Control", "revision:integer, applied_revision:integer, store_ok:boolean, store_error:string, "
                         "store_age_ms:integer, from_disk:boolean, skipped:string[]"},
    Component{"ConfigFile", "file:string, sha256:string, loaded_at:string, error:string"},
    Component{"Replica",
              "name:string, version:string, pid:integer, started_at:string, ready:boolean, admin_url:string, "
              "uptime_s:integer, control:Control, config:ConfigFile, in_flight:integer, realtime:integer, "
              "rss_bytes:integer, "
              "replicas:integer, warnings:string[]"},
    Component{"ReplicaSeen", "name:string, admin_url:string, pid:integer, applied_revision:integer, "
                             "seen_at:string, version:string"},
    Component{"Replicas", "items:ReplicaSeen[]"},
    Component{"Quota", "limit:integer, remaining:integer"},
    Component{"PoolUse", "in_use:integer, open:integer, limit:integer"},
    Component{"Probe", "at:string?, ok:boolean, took_ms:number"},
    Component{"Override",
              "path:string, value:any, actor:string, reason:string, operation:string, set_at:string, "
              "expires_at:string?, revision:integer"},
    Component{
        "Provider",
        "name:string, kind:string, enabled:boolean, configured_enabled:boolean, weight:integer, "
        "configured_weight:integer, share_5m:number, health:number, "
        "status:(healthy|degraded|unhealthy|disabled), "
        "circuit:(closed|open|half-open), circuit_opens_in_ms:integer, p95_ms:number?, error_rate:number?, "
        "requests_5m:integer, selected_total:integer, quota:Quota?, in_flight:integer, "
        "realtime:integer, realtime_closed_total:integer, pool:PoolUse, "
        "region:string, endpoint:string, auth_failed:boolean, cooldown_ms:integer, last_probe:Probe, "
        "last_error:string, override:Override{}"},
    Component{"Providers", "revision:integer, items:Provider[]"},
    Component{"TestRequest", "~billed:boolean, ~timeout_ms:integer"},
    Component{"TestResult",
              "provider:string, ok:boolean, status:integer, took_ms:integer, error:string, outcome:string"},
    Component{"TestResults", "items:TestResult[]"},
    Component{"State", "revision:integer, items:Override[]"},
    Component{"Effective", "revision:integer, values:object, overrides:object"},
    Component{
        "Patch",
        "~set:object, ~unset:string[], ~expect:object, ~actor:string, ~reason:string, ~operation:string, "
        "~expires_in_ms:integer?, ~expires_each_ms:object, ~force:boolean, ~fence:integer?, "
        "~fence_scope:string?"},
    Component{"Patched", "revision:integer, applied_revision:integer, changed:boolean, items:Override[]"},
    Component{"Change", "path:string, before:any, after:any"},
    Component{"HistoryEntry", "revision:integer, time:string, actor:string, reason:string, operation:string, "
                              "kind:(patch|expire), changes:Change[]"},
    Component{"History", "items:HistoryEntry[]"},
    Component{"Pool", "provider:string, open:integer, idle:integer, in_use:integer, waiting:integer, "
                      "draining:integer, draining_realtime:integer, "
                      "created:integer, reused:integer, failed:integer, closed:integer, limit:integer, "
                      "oldest_age_ms:integer, usage:number"},
    Component{"Pools", "reset_epoch:integer, realtime_drain_ms:integer, items:Pool[]"},
    Component{"Connection", "side:string, peer:string, state:string, age_ms:integer, requests:integer, "
                            "bytes_in:integer, bytes_out:integer"},
    Component{"Connections", "items:Connection[]"},
    Component{"Redis", "status:(up|away), since:string?, detail:string, where:string, last_error:string, "
                       "cache:(shared|memory), limits:(shared|local), commands:integer, errors:integer, "
                       "timeouts:integer, skipped:integer, connects:integer"},
    Component{"Sweep", "state:(none|running|done|elsewhere|not-reached), epoch:integer, prefix:string, "
                       "removed:integer, error:string"},
    Component{"SharedCache",
              "status:(up|away), where:string, hits:integer, misses:integer, unusable:integer, "
              "writes:integer, failures:integer, used_bytes:integer?, last_clear:Sweep"},
    Component{"CacheTtl", "speech:string, transcription:string"},
    Component{
        "Cache",
        "enabled:boolean, store:string, entries:integer, bytes:integer, max_bytes:integer, hits:integer, "
        "misses:integer, hit_rate:number?, evictions:integer, expired:integer, inserts:integer, "
        "cleared:integer, ttl:CacheTtl, clear_epoch:integer, shared:SharedCache?"},
    Component{"CacheKey", "key:string, bytes:integer, expires_in_ms:integer, hits:integer, provider:string, "
                          "store:(memory|redis)"},
    Component{"CacheKeys", "items:CacheKey[]"},
    Component{"WarmRequest", "items:object[]"},
    Component{"WarmError", "index:integer, error:string"},
    Component{"WarmResult",
              "requested:integer, warmed:integer, present:integer, failed:integer, errors:WarmError[]"},
    Component{"KeyLimit", "id:string, limit:string, allowed:integer, refused:integer, blocked:boolean"},
    Component{"EmergencyLimit", "requests_per_minute:integer"},
    Component{"Counters", "allowed:integer, refused:integer"},
    Component{"Limits", "per_key:string, global:string, emergency:EmergencyLimit?, replicas:integer, "
                        "keys:KeyLimit[], global_counters:Counters, retry_budget:number"},
    Component{"Block", "id:string, reason:string, actor:string, set_at:string, expires_at:string?"},
    Component{"Blocklist", "items:Block[]"},
    Component{"UsageRow", "key_id:string, provider:string, model:string, operation:string, day:string, "
                          "requests:integer, errors:integer, characters:integer, tokens:integer, "
                          "bytes_in:integer, "
                          "bytes_out:integer, audio_seconds:number, cost_usd:number"},
    Component{"Usage", "store:string, items:UsageRow[]"},
    Component{"SafetyRule", "name:string, type:string, severity:string, pattern:string, action:string, "
                            "age_groups:string[]"},
    Component{"SafetyChecks", "allowed:integer, blocked:integer"},
    Component{"Safety", "enabled:boolean, emergency:boolean, rules:SafetyRule[], checks:SafetyChecks"},
    Component{"SafetyTest", "text:string, ~age_group:string"},
    Component{"SafetyVerdict", "allowed:boolean, rule:string, violation_type:string, severity:string, "
                               "action:string, emergency:boolean, enabled:boolean"},
    Component{"ProviderSummary", "requests:integer, errors:integer, share:number, p95_ms:number?"},
    Component{"Bucket", "t:integer, requests:integer, errors:integer"},
    Component{"Summary",
              "seconds:integer, complete_until:string, requests:integer, errors:integer, error_rate:number?, "
              "p50_ms:number?, p95_ms:number?, p99_ms:number?, retries:integer, limited:integer, "
              "cache_hit_rate:number?, redis:Redis?, by_provider:ProviderSummary{}, buckets:Bucket[]"},
    Component{"Config", "sha256:string, file:string, loaded_at:string, error:string, effective:object"},
    Component{"Records", "queued:integer, written:integer, spooled:integer, dropped:integer, "
                         "spool_bytes:integer, last_error:string"},
    Component{"Journal", "items:string[]"},
    Component{"JournalLine", "line:string"},
    Component{"Done", "ok:boolean"},
    Component{"Changed", "ok:boolean, revision:integer, applied_revision:integer, changed:boolean, ..."},
    Component{"WriteOptions", "~reason:string, ~force:boolean, ~for:string"},
    Component{"EmergencyRequest", "requestsPerMinute:integer, ~reason:string, ~for:string"},
    Component{"BlockRequest", "apiKey:string, ~reason:string, ~for:string"},
    Component{"ModelsRequest", "~models:string[], ~items:object[]"},
    Component{"ProviderConfigRequest",
              "provider:string, ~regionalEndpoints:string{}, ~region:string, ~reason:string, ~for:string"},
    Component{"Circuit",
              "provider:string, state:(closed|open|half-open), failures:integer, opens_in_ms:integer"},
    Component{"ProviderHealth", "status:string, provider:string, response_time_ms:number?, score:number, "
                                "circuit_breaker:Circuit, last_error:string"},
    Component{"ProvidersHealth", "status:string, timestamp:string, providers:ProviderHealth[]"},
    Component{"Alive", "status:string"},
    Component{"Ready", "status:(ready|not-ready), replica:string, control:Control"},
    Component{"Health", "status:string, timestamp:string, version:string, replica:string, ready:boolean, "
                        "providers:string{}, control:Control, redis:Redis?, config_error:string"},
    Component{"AudioProcessing", "total_requests:integer, success_rate:number?, window_seconds:integer"},
    Component{"TtsService",
              "provider_health:ProviderHealth?, circuit_breaker:Circuit?, circuit_breakers:Circuit[]"},
    Component{"ProductionCache", "hit_rate:number?, size_mb:number, health:string"},
    Component{"AudioHealth", "status:(healthy|degraded|unhealthy), timestamp:string, "
                             "audio_processing:AudioProcessing, tts_service:TtsService, "
                             "production_cache:ProductionCache"},
    Component{"MetricsHealth", "status:string, timestamp:string, families:integer, records:Records, "
                               "cache:ProductionCache"},
    Component{"OpenApi", "openapi:string, info:object, paths:object, components:object, ..."},
};

} // namespace

const Json& component_schemas()
{
    static const Json schemas = [] {
        Json all = Json::object();
        for (const auto& component : k_components)
            all[component.name] = object_schema(component.fields);
        return all;
    }();
    return schemas;
}

} // namespace conduit::agent
