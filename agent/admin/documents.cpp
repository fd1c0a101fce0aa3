// SPDX-License-Identifier: Apache-2.0
// The routes of the operators' documents, answering as they are written there. Each is a thin form of a v1
// route, so that there is one way to change anything.
#include "agent/admin/provider_actions.hpp"
#include "agent/admin/statistics.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

Result<AdminResponse> changed(Result<Json> answer, const Json& further)
{
    TRY_ASSIGN(auto body, std::move(answer));
    body.update(further);
    return json_response(body);
}

Result<AdminResponse> reset_pool(AdminServices& services, const Call& call)
{
    const auto epoch = call.snapshot->pool_reset_epoch + 1;
    return changed(change(services, call, {{"pool/reset_epoch", Json(epoch)}}), {{"reset_epoch", epoch}});
}

Result<AdminResponse> disable(AdminServices& services, const Call& call)
{
    TRY_ASSIGN(const auto* provider, known_provider(call));
    return changed(change(services, call, {{"providers/" + provider->name + "/enabled", Json(false)}}),
                   {{"provider", provider->name}, {"enabled", false}});
}

// Back to the file's word where that is "enabled", so that no override is left behind.
Result<AdminResponse> enable(AdminServices& services, const Call& call)
{
    TRY_ASSIGN(const auto* provider, known_provider(call));
    const auto path = "providers/" + provider->name + "/enabled";
    const bool by_file = find_provider(*call.snapshot->base, provider->name)->enabled;
    auto answer = by_file ? change(services, call, {}, {path}) : change(services, call, {{path, Json(true)}});
    return changed(std::move(answer), {{"provider", provider->name}, {"enabled", true}});
}

Result<AdminResponse> reset_circuit(AdminServices& services, const Call& call)
{
    TRY_ASSIGN(const auto* provider, known_provider(call));
    const auto it = call.snapshot->circuit_epochs.find(provider->name);
    const auto epoch = it == call.snapshot->circuit_epochs.end() ? 1 : it->second + 1;
    return changed(change(services, call, {{"providers/" + provider->name + "/circuit_epoch", Json(epoch)}}),
                   {{"provider", provider->name}, {"circuit_epoch", epoch}});
}

Result<AdminResponse> emergency(AdminServices& services, const Call& call)
{
    const auto& count = (*call.body)["requestsPerMinute"];
    return changed(change(services, call, {{"limits/emergency", Json{{"requests_per_minute", count}}}}),
                   {{"requestsPerMinute", count},
                    {"scope", "all requests of the deployment, shared by its replicas"},
                    {"replicas", call.snapshot->replicas}});
}

Result<AdminResponse> emergency_off(AdminServices& services, const Call& call)
{
    return changed(change(services, call, {}, {"limits/emergency"}), Json::object());
}

// A key or a key's id; what is stored never is the key itself.
std::string block_id(const Snapshot& snapshot, const std::string& given)
{
    if (const auto* key = snapshot.keys.find(given); key != nullptr)
        return key->id;
    if (snapshot.keys.find_id(given) != nullptr)
        return given;
    constexpr std::size_t digest_length = 7 + 64;
    if (given.starts_with("sha256:") && given.size() == digest_length)
        return given;
    return digest_id(sha256(given));
}

Result<AdminResponse> block(AdminServices& services, const Call& call)
{
    const auto given = (*call.body)["apiKey"].get<std::string>();
    if (given.empty())
        return fail(ErrorKind::usage, "body.apiKey: a key or a key's id is expected");
    const auto id = block_id(*call.snapshot, given);
    const Json value{{"reason", json_string_or(*call.body, "reason", "")}};
    return changed(change(services, call, {{"blocklist/" + id, value}}),
                   {{"id", id}, {"blocked", true}, {"known", !id.starts_with("sha256:")}});
}

Result<AdminResponse> unblock(AdminServices& services, const Call& call)
{
    const auto id = block_id(*call.snapshot, call.param("id"));
    const auto path = "blocklist/" + id;
    std::vector<std::string> ids;
    for (const auto& blocked : call.snapshot->blocklist)
        ids.push_back(blocked);
    if (!call.snapshot->state.overrides.contains(path))
        return fail(ErrorKind::not_found, unknown_name("blocked key", printable(call.param("id")), ids));
    return changed(change(services, call, {}, {path}), {{"id", id}, {"blocked", false}});
}

Result<AdminResponse> providers_health(AdminServices& services, const Call& call)
{
    const auto window = read_window(services, 300);
    const auto pools = services.data_plane.pool_stats();
    Json items = Json::array();
    for (std::size_t i = 0; i < call.snapshot->config.providers.size(); ++i)
        items.push_back(provider_item(services, *call.snapshot, i, window, pools));
    return json_response({{"revision", call.snapshot->revision}, {"items", std::move(items)}});
}

// Only speech is warmed, and only from texts: a bare model name has nothing that could be put into the cache,
// and an answer of 200 that did nothing would be believed.
Result<AdminResponse> warm_models(AdminServices& services, const Call& call)
{
    const auto* items = json_find(*call.body, "items");
    if (items == nullptr || items->empty())
        return fail(ErrorKind::usage,
                    "a model alone has nothing that could be cached: texts to speak are missing",
                    R"(Send {"items": [{"model": "tts-1", "voice": "alloy", "input": "Welcome."}]}, )"
                    "or run 'conduitctl cache warm'.");
    return json_response(warm(services, *items));
}

// Adds to what is there: other regions and every other setting of the provider stay.
Result<AdminResponse> provider_config(AdminServices& services, const Call& call)
{
    Call named = call;
    named.path["provider"] = (*call.body)["provider"].get<std::string>();
    TRY_ASSIGN(const auto* provider, known_provider(named));
    std::map<std::string, JsonBox> set;
    if (const auto* regions = json_find(*call.body, "regionalEndpoints"); regions != nullptr)
        for (const auto& [region, url] : regions->items())
            set[fmt::format("providers/{}/regions/{}", provider->name, region)] = url;
    if (const auto* region = json_find(*call.body, "region"); region != nullptr)
        set[fmt::format("providers/{}/region", provider->name)] = *region;
    TRY_ASSIGN(auto body, change(services, call, std::move(set)));
    const auto after = services.controller.snapshot();
    const auto* now = find_provider(after->config, provider->name);
    body.update({{"provider", provider->name}, {"regionalEndpoints", now->regions}, {"region", now->region}});
    return json_response(body);
}

constexpr std::string_view k_write = "reason:string, force:boolean, for:string";

constexpr std::array k_routes{
    Route{"POST", "/admin/connection-pool/reset", Scope::operator_, "Drain all connections to the providers",
          k_write, "WriteOptions", "Changed", reset_pool},
    Route{"GET", "/admin/connection-pool/stats", Scope::viewer, "Connections to the providers", "", "",
          "Pools", pool_stats},
    Route{"POST", "/admin/providers/{provider}/disable", Scope::operator_, "Take a provider out of rotation",
          k_write, "WriteOptions", "Changed", disable},
    Route{"POST", "/admin/providers/{provider}/enable", Scope::operator_, "Put a provider back into rotation",
          k_write, "WriteOptions", "Changed", enable},
    Route{"POST", "/admin/rate-limit/emergency", Scope::operator_, "Limit all traffic of the deployment",
          k_write, "EmergencyRequest", "Changed", emergency},
    Route{"POST", "/admin/rate-limit/off", Scope::operator_, "End the emergency limit", k_write,
          "WriteOptions", "Changed", emergency_off},
    Route{"GET", "/admin/usage/top", Scope::viewer, "The heaviest users",
          "by:string, limit:integer, since:string, order:string", "", "Usage", usage},
    Route{"POST", "/admin/blocklist", Scope::operator_,
          "Block a key, given as key or id; never stored as key", k_write, "BlockRequest", "Changed", block},
    Route{"GET", "/admin/blocklist", Scope::viewer, "Blocked keys", "", "", "Blocklist", blocklist},
    Route{"DELETE", "/admin/blocklist/{id}", Scope::operator_, "Unblock a key", k_write, "", "Changed",
          unblock},
    Route{"GET", "/admin/diagnostics/connections", Scope::viewer, "Single connections", "limit:integer", "",
          "Connections", connection_list},
    Route{"PATCH", "/api/admin/providers/{provider}/disable", Scope::operator_,
          "Take a provider out of rotation", k_write, "WriteOptions", "Changed", disable},
    Route{"PATCH", "/api/admin/providers/{provider}/enable", Scope::operator_, "Put a provider back", k_write,
          "WriteOptions", "Changed", enable},
    Route{"GET", "/api/admin/providers/health", Scope::viewer, "Health of all providers", "", "", "Providers",
          providers_health},
    Route{"POST", "/api/admin/providers/health/check", Scope::operator_, "Probe every enabled provider now",
          "", "", "TestResults", check_all_providers},
    Route{"POST", "/api/admin/providers/{provider}/reset-circuit", Scope::operator_,
          "Close a provider's circuit", k_write, "WriteOptions", "Changed", reset_circuit},
    Route{"POST", "/api/admin/cache/warm", Scope::operator_, "Synthesize into the cache", "", "ModelsRequest",
          "WarmResult", warm_models},
    Route{"POST", "/api/admin/providers/config", Scope::operator_, "Add regional endpoints to a provider",
          k_write, "ProviderConfigRequest", "Changed", provider_config},
    Route{"POST", "/api/internal/safety/test", Scope::viewer, "What the safety rules say to a text", "",
          "SafetyTest", "SafetyVerdict", safety_test},
};

} // namespace

std::span<const Route> document_routes()
{
    return k_routes;
}

} // namespace conduit::agent
