// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fakes/fake_agents.hpp"

#include "core/hash.hpp"
#include "core/text.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>

namespace conduit::test {

FakeAgents::FakeAgents(Clock& clock, int replicas) : clock_(clock)
{
    for (int i = 1; i <= replicas; ++i)
        endpoints_.push_back({"agent-" + std::to_string(i), "http://fake-" + std::to_string(i)});
}

Result<std::vector<AgentEndpoint>> FakeAgents::replicas(Deadline)
{
    if (endpoints_.empty())
        return fail(ErrorKind::unreachable, "no agent is running in fake", "Start one: conduitctl local up");
    return endpoints_;
}

Result<JsonBox> FakeAgents::ask(const AgentCall& call, Deadline deadline)
{
    TRY(replicas(deadline));
    auto answered = answer(call, endpoints_.front().name);
    if (call.on_sent)
        call.on_sent();
    if (after_call)
        after_call(call);
    return answered;
}

std::vector<ReplicaAnswer> FakeAgents::ask_all(const AgentCall& call, Deadline)
{
    std::vector<ReplicaAnswer> out;
    for (const auto& endpoint : endpoints_)
        out.push_back({endpoint, answer(call, endpoint.name), Duration{1}});
    return out;
}

JsonBox FakeAgents::effective(const std::string& path) const
{
    if (const auto found = overrides.find(path); found != overrides.end())
        return found->second.value;
    const auto parts = split(path, '/');
    if (parts.size() >= 3 && parts[0] == "providers") {
        for (const auto& provider : providers) {
            if (provider.name != parts[1])
                continue;
            static const std::map<std::string, Json> defaults{
                {"enabled", true},       {"circuit_epoch", 0}, {"max_connections", 100},
                {"max_concurrent", 500}, {"timeout", "120s"},  {"first_byte_timeout", "30s"},
                {"region", ""},          {"endpoint", ""},     {"realtime_drain", "0s"}};
            if (parts.size() == 4)
                return parts[2] == "regions" || parts[2] == "models" ? Json("") : Json();
            if (parts[2] == "weight")
                return Json(provider.weight);
            if (const auto known = defaults.find(parts[2]); known != defaults.end())
                return known->second;
        }
        return {};
    }
    static const std::map<std::string, Json> others{{"pool/reset_epoch", 0},
                                                    {"pool/realtime_drain", "0s"},
                                                    {"pool/max_idle", "15m"},
                                                    {"pool/connect_timeout", "5s"},
                                                    {"cache/ttl/speech", "1h"},
                                                    {"cache/ttl/transcription", "30m"},
                                                    {"cache/max_bytes", 268435456},
                                                    {"cache/enabled", true},
                                                    {"cache/clear", Json{{"epoch", 0}, {"prefix", ""}}},
                                                    {"limits/per_key", "1000/h"},
                                                    {"limits/global", "0"},
                                                    {"limits/emergency", false},
                                                    {"safety/enabled", true},
                                                    {"safety/emergency", false}};
    if (const auto known = others.find(path); known != others.end())
        return known->second;
    if (path.starts_with("blocklist/"))
        return Json(false);
    for (const auto& key : keys)
        if (path == "limits/keys/" + key)
            return Json("1000/h");
    return {};
}

Json FakeAgents::provider_item(const Provider& p) const
{
    const auto enabled = effective("providers/" + p.name + "/enabled")->get<bool>();
    const auto weight = effective("providers/" + p.name + "/weight")->get<int>();
    Json override_ = Json::object();
    for (const auto* field : {"enabled", "weight"})
        if (const auto found = overrides.find("providers/" + p.name + "/" + field); found != overrides.end())
            override_[field] = state_item(found->first, found->second);
    return {{"name", p.name},
            {"kind", p.name},
            {"enabled", enabled},
            {"configured_enabled", true},
            {"weight", weight},
            {"configured_weight", p.weight},
            {"share_5m", weight / 100.0},
            {"health", p.health},
            {"status", p.health >= 0.5 ? "healthy" : "unhealthy"},
            {"circuit", p.circuit},
            {"circuit_opens_in_ms", 0},
            {"p95_ms", 900},
            {"error_rate", 0.002},
            {"requests_5m", 100},
            {"selected_total", p.selected},
            {"in_flight", p.in_flight},
            {"realtime", p.realtime},
            {"realtime_closed_total", 0},
            {"quota", {{"limit", 1000}, {"remaining", 610}}},
            {"pool", {{"in_use", 3}, {"open", 12}, {"limit", 100}}},
            {"region", ""},
            {"endpoint", ""},
            {"auth_failed", false},
            {"cooldown_ms", 0},
            {"last_probe", {{"at", nullptr}, {"ok", true}, {"took_ms", 0}}},
            {"last_error", ""},
            {"override", override_}};
}

Result<JsonBox> FakeAgents::effective_json(const AgentCall& call) const
{
    Json values = Json::object();
    Json overrides_json = Json::object();
    for (const auto& [key, path] : call.query) {
        const auto value = effective(path);
        if (value->is_null())
            return fail(ErrorKind::not_found, "unknown path " + path);
        values[path] = *value;
        const auto found = overrides.find(path);
        overrides_json[path] = found == overrides.end() ? Json() : *found->second.value;
    }
    return JsonBox(Json{{"revision", revision}, {"values", values}, {"overrides", overrides_json}});
}

Json FakeAgents::replica_json(const std::string& replica) const
{
    Json skipped = Json::array();
    for (const auto& [path, o] : overrides)
        if (const auto bad = cannot_apply.find(path);
            replica == endpoints_.back().name && bad != cannot_apply.end() && *bad->second == *o.value)
            skipped.push_back("override " + path + " is not applied: no such provider");
    return {{"name", replica},
            {"version", "0.1.0"},
            {"pid", 1},
            {"started_at", format_time(clock_.now())},
            {"ready", true},
            {"admin_url", "http://fake"},
            {"uptime_s", 60},
            {"control",
             {{"revision", revision},
              {"applied_revision", replica == behind ? revision - 1 : revision},
              {"store_ok", true},
              {"store_error", ""},
              {"store_age_ms", 0},
              {"from_disk", false},
              {"skipped", skipped}}},
            {"config",
             {{"file", config_file.string()},
              {"sha256", sha256_hex(read_file(config_file).value_or(""))},
              {"loaded_at", format_time(clock_.now())},
              {"error", ""}}},
            {"in_flight", 0},
            {"realtime", 0},
            {"rss_bytes", 1},
            {"replicas", static_cast<int>(endpoints_.size())},
            {"warnings", Json::array()}};
}

Json FakeAgents::limits_json() const
{
    Json listed = Json::array();
    for (const auto& key : keys)
        listed.push_back({{"id", key},
                          {"limit", *effective("limits/keys/" + key)},
                          {"allowed", 7},
                          {"refused", 0},
                          {"blocked", overrides.contains("blocklist/" + key)}});
    const auto emergency = effective("limits/emergency");
    return {{"per_key", *effective("limits/per_key")},
            {"global", *effective("limits/global")},
            {"emergency", emergency->is_object() ? *emergency : Json()},
            {"replicas", static_cast<int>(endpoints_.size())},
            {"keys", listed},
            {"global_counters", {{"allowed", 7}, {"refused", 0}}},
            {"retry_budget", 1.0}};
}

Json FakeAgents::blocklist_json() const
{
    Json items = Json::array();
    for (const auto& [path, o] : overrides)
        if (path.starts_with("blocklist/"))
            items.push_back({{"id", path.substr(10)},
                             {"reason", o.reason},
                             {"actor", o.actor},
                             {"set_at", format_time(o.set_at.value_or(clock_.now()))},
                             {"expires_at", o.expires_at ? Json(format_time(*o.expires_at)) : Json()}});
    return {{"items", items}};
}

Result<JsonBox> FakeAgents::answer(const AgentCall& call, const std::string& replica)
{
    calls.push_back(call);
    load();
    if (before_call)
        before_call(call);
    for (const auto& key : {call.path, call.method + " " + call.path, std::string("*")})
        if (const auto fault = faults.find(key); fault != faults.end())
            return fault->second;
    if (cancel != nullptr && cancel->requested() && !call.finish)
        return fail(ErrorKind::interrupted, "interrupted while talking to http://fake-1" + call.path);
    expire_due();
    if (const auto canned = answers.find(call.path); canned != answers.end())
        return canned->second;
    if (call.path == "/admin/v1/replica")
        return JsonBox(replica_json(replica));
    if (call.path == "/admin/v1/state" && call.method == "PATCH")
        return patch(*call.body);
    if (call.path == "/admin/v1/state")
        return JsonBox(state_json());
    if (call.path == "/admin/v1/state/effective")
        return effective_json(call);
    if (call.path == "/admin/v1/history") {
        Json items = Json::array();
        const auto wanted = call.query.find("operation");
        if (wanted != call.query.end() && operations_.contains(wanted->second))
            items.push_back({{"revision", operations_.at(wanted->second)},
                             {"time", format_time(clock_.now())},
                             {"actor", "maria"},
                             {"reason", ""},
                             {"operation", wanted->second},
                             {"kind", "patch"},
                             {"changes", Json::array()}});
        return JsonBox(Json{{"items", items}});
    }
    if (call.path == "/admin/v1/providers" || call.path == "/admin/v1/health/check") {
        Json items = Json::array();
        for (const auto& provider : providers)
            items.push_back(provider_item(provider));
        return JsonBox(Json{{"revision", revision}, {"items", items}});
    }
    if (call.path == "/admin/v1/limits")
        return JsonBox(limits_json());
    if (call.path == "/admin/v1/blocklist")
        return JsonBox(blocklist_json());
    if (call.path == "/admin/v1/pool")
        return JsonBox(Json{{"reset_epoch", *effective("pool/reset_epoch")},
                            {"realtime_drain_ms", 0},
                            {"items", Json::array()}});
    if (call.path == "/admin/v1/cache")
        return JsonBox(Json{{"enabled", true},
                            {"store", "memory"},
                            {"entries", 0},
                            {"bytes", 0},
                            {"max_bytes", *effective("cache/max_bytes")},
                            {"hits", 0},
                            {"misses", 0},
                            {"hit_rate", nullptr},
                            {"evictions", 0},
                            {"expired", 0},
                            {"inserts", 0},
                            {"cleared", 0},
                            {"ttl",
                             {{"speech", *effective("cache/ttl/speech")},
                              {"transcription", *effective("cache/ttl/transcription")}}},
                            {"clear_epoch", effective("cache/clear")->value("epoch", std::int64_t{0})},
                            {"shared", nullptr}});
    if (call.path == "/admin/v1/safety")
        return JsonBox(Json{{"enabled", true},
                            {"emergency", *effective("safety/emergency")},
                            {"rules", Json::array()},
                            {"checks", {{"allowed", 0}, {"blocked", 0}}}});
    if (call.path == "/admin/v1/safety/test") {
        const bool blocked = effective("safety/emergency")->get<bool>();
        return JsonBox(Json{{"allowed", !blocked},
                            {"rule", ""},
                            {"violation_type", ""},
                            {"severity", ""},
                            {"action", ""},
                            {"emergency", blocked},
                            {"enabled", true}});
    }
    return fake_figures(call, providers);
}

} // namespace conduit::test
