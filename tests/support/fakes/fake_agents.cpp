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

void FakeAgents::keep_in(fs::path file)
{
    file_ = std::move(file);
    load();
}

void FakeAgents::load()
{
    const auto text = file_.empty() ? Result<std::string>(std::string()) : read_file(file_);
    if (!text || text->empty())
        return;
    const Json kept = parse_json(*text).value();
    revision = kept["revision"].get<std::uint64_t>();
    overrides.clear();
    for (const auto& [path, o] : kept["overrides"].items()) {
        auto& to = overrides[path];
        to = {o["value"], o["actor"], o["reason"], o["operation"], {}, o["revision"], {}};
        if (const auto set_at = parse_time(json_string_or(o, "set_at", "")))
            to.set_at = *set_at;
        if (const auto until = parse_time(json_string_or(o, "expires_at", "")))
            to.expires_at = *until;
    }
    operations_.clear();
    for (const auto& [operation, at] : kept["operations"].items())
        operations_[operation] = at.get<std::uint64_t>();
}

void FakeAgents::save() const
{
    if (file_.empty())
        return;
    Json items = Json::object();
    for (const auto& [path, o] : overrides)
        items[path] = state_item(path, o);
    const Json kept{{"revision", revision}, {"overrides", items}, {"operations", operations_}};
    if (!write_file(file_, dump_json(kept)))
        std::abort();
}

std::string FakeAgents::dump() const
{
    Json out = Json::object();
    for (const auto& [path, o] : overrides)
        out[path] = {{"value", *o.value}, {"ends", o.expires_at.has_value()}};
    return canonical_json(out);
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

Json FakeAgents::state_item(const std::string& path, const Override& o) const
{
    return {{"path", path},
            {"value", *o.value},
            {"actor", o.actor},
            {"reason", o.reason},
            {"operation", o.operation},
            {"set_at", format_time(o.set_at.value_or(clock_.now()))},
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

Result<> FakeAgents::check_patch(const Json& body) const
{
    for (const auto& [path, expected] : body["expect"].items()) {
        const auto found = overrides.find(path);
        const Json now = found == overrides.end() ? Json() : *found->second.value;
        if (now != expected)
            return Error{ErrorKind::stale, path + " was changed meanwhile"}
                .with_detail("path", path)
                .with_detail("actor", found == overrides.end() ? "" : found->second.actor);
    }
    for (const auto& [path, value] : body["set"].items())
        if (effective(path)->is_null())
            return fail(ErrorKind::not_found, "unknown path " + path);
    return {};
}

Result<JsonBox> FakeAgents::patch(const Json& body)
{
    const auto operation = json_string_or(body, "operation", "");
    const auto said = [&](std::uint64_t at, bool changed) {
        auto out = state_json();
        out["revision"] = at;
        out["applied_revision"] = at;
        out["changed"] = changed;
        return JsonBox(std::move(out));
    };
    if (const auto seen = operations_.find(operation); !operation.empty() && seen != operations_.end())
        return said(seen->second, false);
    TRY(check_patch(body));
    ++revision;
    for (const auto& [path, value] : body["set"].items()) {
        Override o{value,
                   json_string_or(body, "actor", ""),
                   json_string_or(body, "reason", ""),
                   operation,
                   {},
                   revision,
                   clock_.now()};
        const auto all = json_number_or(body, "expires_in_ms", 0);
        const auto* each = json_find(body, "expires_each_ms");
        if (const auto ms = each == nullptr ? all : json_number_or(*each, path, all); ms > 0)
            o.expires_at = clock_.now() + Duration{static_cast<std::int64_t>(ms)};
        overrides[path] = o;
    }
    for (const auto& path : body["unset"])
        overrides.erase(path.get<std::string>());
    if (!operation.empty())
        operations_[operation] = revision;
    save();
    if (std::exchange(lose_next_patch_reply, false))
        return fail(ErrorKind::unknown, "no whole answer from http://fake-1/admin/v1/state");
    return said(revision, true);
}

Json FakeAgents::state_json() const
{
    Json items = Json::array();
    for (const auto& [path, o] : overrides)
        items.push_back(state_item(path, o));
    return {{"revision", revision}, {"items", std::move(items)}};
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
             {{"sha256", sha256_hex(read_file(config_file).value_or(""))},
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
                            {"clear_epoch", effective("cache/clear")->value("epoch", std::int64_t{0})}});
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
