// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fakes/fake_agents.hpp"

#include "core/text.hpp"

#include <nlohmann/json.hpp>

namespace conduit::test {
namespace {

constexpr const char* k_noon = "2026-11-22T12:00:00.000Z";

JsonBox list(Json items)
{
    return JsonBox(Json{{"items", std::move(items)}});
}

Json usage_row()
{
    return {{"key_id", "team-a"},  {"provider", "openai"}, {"model", "tts-1"},     {"operation", "speech"},
            {"day", "2026-11-22"}, {"requests", 7},        {"errors", 1},          {"characters", 120},
            {"bytes_in", 100},     {"bytes_out", 9000},    {"audio_seconds", 3.5}, {"cost_usd", 0.0018},
            {"tokens", 0}};
}

Json summary(const std::vector<FakeAgents::Provider>& providers)
{
    Json by = Json::object();
    for (const auto& p : providers)
        by[p.name] = Json{{"requests", 10}, {"errors", 0}, {"share", p.weight / 100.0}, {"p95_ms", 900.0}};
    return {{"seconds", 300},    {"complete_until", k_noon},  {"requests", 30},
            {"errors", 0},       {"error_rate", 0.0},         {"p50_ms", 300.0},
            {"p95_ms", 900.0},   {"p99_ms", 950.0},           {"retries", 0},
            {"limited", 0},      {"cache_hit_rate", nullptr}, {"redis", nullptr},
            {"by_provider", by}, {"buckets", Json::array()}};
}

Json connection()
{
    return {{"side", "openai"}, {"peer", "127.0.0.1:9"}, {"state", "idle"}, {"age_ms", 5},
            {"requests", 1},    {"bytes_in", 2},         {"bytes_out", 3}};
}

} // namespace

Result<JsonBox> fake_figures(const AgentCall& call, const std::vector<FakeAgents::Provider>& providers)
{
    const auto& path = call.path;
    if (path == "/admin/v1/usage")
        return JsonBox(Json{{"store", "5f0c9a7e11d2b384"}, {"items", Json::array({usage_row()})}});
    if (path == "/admin/v1/summary")
        return JsonBox(summary(providers));
    if (path == "/admin/v1/connections")
        return list(Json::array({connection()}));
    if (path == "/admin/v1/cache/keys")
        return list(Json::array());
    if (path == "/admin/v1/cache/warm")
        return JsonBox(
            Json{{"requested", 1}, {"warmed", 1}, {"present", 0}, {"failed", 0}, {"errors", Json::array()}});
    if (path == "/admin/v1/config")
        return JsonBox(Json{{"sha256", "0f"},
                            {"file", "agent.yaml"},
                            {"loaded_at", k_noon},
                            {"error", ""},
                            {"effective", Json{{"providers", Json::object()}}}});
    if (path == "/metrics")
        return JsonBox(Json{{"text", "# TYPE audio_operations_total counter\naudio_operations_total 7\n"}});
    if (path.starts_with("/admin/v1/providers/") && path.ends_with("/test"))
        return JsonBox(Json{{"provider", split(path, '/')[4]},
                            {"ok", true},
                            {"status", 200},
                            {"took_ms", 12},
                            {"error", ""},
                            {"outcome", "ok"}});
    return fail(ErrorKind::not_found, "no route " + path);
}

} // namespace conduit::test
