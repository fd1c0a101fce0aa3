// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fakes/fake_agents.hpp"

#include "core/text.hpp"

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
    return answer(call, endpoints_.front().name);
}

std::vector<ReplicaAnswer> FakeAgents::ask_all(const AgentCall& call, Deadline)
{
    std::vector<ReplicaAnswer> out;
    for (const auto& endpoint : endpoints_)
        out.push_back({endpoint, answer(call, endpoint.name), Duration{1}});
    return out;
}

void FakeAgents::expire_due()
{
    std::erase_if(overrides, [&](const auto& item) {
        const bool due = item.second.expires_at && *item.second.expires_at <= clock_.now();
        revision += due ? 1U : 0U;
        return due;
    });
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
            if (parts[2] == "weight")
                return Json(provider.weight);
            if (const auto known = defaults.find(parts[2]); known != defaults.end())
                return known->second;
            if (parts[2] == "regions" || parts[2] == "models")
                return Json("");
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
    if (path.starts_with("blocklist/") || path.starts_with("limits/keys/"))
        return Json(false);
    return {};
}

Json FakeAgents::state_item(const std::string& path, const Override& o) const
{
    return {{"path", path},
            {"value", *o.value},
            {"actor", o.actor},
            {"reason", o.reason},
            {"operation", o.operation},
            {"set_at", format_time(clock_.now())},
            {"expires_at", o.expires_at ? Json(format_time(*o.expires_at)) : Json()},
            {"revision", o.revision}};
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
            {"circuit", p.circuit},
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
            {"last_error", ""},
            {"override", override_}};
}

Result<JsonBox> FakeAgents::patch(const Json& body)
{
    const auto operation = json_string_or(body, "operation", "");
    const auto reply = [&](bool changed) -> Result<JsonBox> {
        if (std::exchange(lose_next_patch_reply, false))
            return fail(ErrorKind::unknown, "no whole answer from http://fake-1/admin/v1/state");
        return JsonBox(Json{{"revision", revision}, {"applied_revision", revision}, {"changed", changed}});
    };
    if (const auto seen = operations_.find(operation); !operation.empty() && seen != operations_.end())
        return JsonBox(
            Json{{"revision", seen->second}, {"applied_revision", seen->second}, {"changed", false}});
    for (const auto& [path, expected] : body["expect"].items()) {
        const auto found = overrides.find(path);
        const Json now = found == overrides.end() ? Json() : *found->second.value;
        if (now != expected)
            return Error{ErrorKind::stale, path + " is no longer what was planned"}
                .with_detail("path", path)
                .with_detail("actor", found == overrides.end() ? "" : found->second.actor);
    }
    ++revision;
    for (const auto& [path, value] : body["set"].items()) {
        if (effective(path)->is_null())
            return fail(ErrorKind::not_found, "unknown path " + path);
        Override o{
            value,   json_string_or(body, "actor", ""), json_string_or(body, "reason", ""), operation, {},
            revision};
        if (const auto ms = json_number_or(body, "expires_in_ms", 0); ms > 0)
            o.expires_at = clock_.now() + Duration{static_cast<std::int64_t>(ms)};
        overrides[path] = o;
    }
    for (const auto& path : body["unset"])
        overrides.erase(path.get<std::string>());
    if (!operation.empty())
        operations_[operation] = revision;
    return reply(true);
}

Result<JsonBox> FakeAgents::answer(const AgentCall& call, const std::string& replica)
{
    calls.push_back(call);
    for (const auto* key : {call.path.c_str(), "*"})
        if (const auto fault = faults.find(key); fault != faults.end())
            return fault->second;
    expire_due();
    const auto list = [](Json items) { return JsonBox(Json{{"items", std::move(items)}}); };
    if (const auto canned = answers.find(call.path); canned != answers.end())
        return canned->second;
    if (call.path == "/admin/v1/replica")
        return JsonBox(Json{{"name", replica},
                            {"version", "0.1.0"},
                            {"ready", true},
                            {"control",
                             {{"revision", revision},
                              {"applied_revision", replica == behind ? revision - 1 : revision},
                              {"store_ok", true}}}});
    if (call.path == "/admin/v1/state" && call.method == "PATCH")
        return patch(*call.body);
    if (call.path == "/admin/v1/state") {
        Json items = Json::array();
        for (const auto& [path, o] : overrides)
            items.push_back(state_item(path, o));
        auto body = list(items);
        (*body)["revision"] = revision;
        return body;
    }
    if (call.path == "/admin/v1/state/effective") {
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
    if (call.path == "/admin/v1/history") {
        Json items = Json::array();
        const auto wanted = call.query.find("operation");
        if (wanted != call.query.end() && operations_.contains(wanted->second))
            items.push_back({{"revision", operations_.at(wanted->second)}, {"operation", wanted->second}});
        return list(items);
    }
    if (call.path == "/admin/v1/providers") {
        Json items = Json::array();
        for (const auto& provider : providers)
            items.push_back(provider_item(provider));
        return list(items);
    }
    if (call.path == "/admin/v1/pool")
        return JsonBox(Json{{"reset_epoch", *effective("pool/reset_epoch")}, {"items", Json::array()}});
    if (call.path == "/admin/v1/cache")
        return JsonBox(
            Json{{"clear_epoch", json_number_or(*effective("cache/clear"), "epoch", 0)}, {"entries", 0}});
    if (call.path == "/admin/v1/safety/test")
        return JsonBox(Json{{"allowed", !effective("safety/emergency")->get<bool>()}});
    return fail(ErrorKind::not_found, "no route " + call.path);
}

} // namespace conduit::test
