// SPDX-License-Identifier: Apache-2.0
// What the enabled providers offer.
#include "agent/providers/adapter.hpp"
#include "agent/server/session.hpp"
#include "core/json.hpp"

#include <map>
#include <nlohmann/json.hpp>

namespace conduit::agent {

std::string list_models(const Config& config)
{
    std::map<std::string, std::string> owners; // the first provider that offers it
    for (const ProviderConfig& provider : config.providers)
        if (provider.enabled)
            for (const std::string& model : adapter_for(provider.kind).models(provider))
                owners.emplace(model, provider.name);
    Json data = Json::array();
    for (const auto& [model, owner] : owners)
        data.push_back({{"id", model}, {"object", "model"}, {"created", 0}, {"owned_by", owner}});
    return dump_json(Json{{"object", "list"}, {"data", std::move(data)}});
}

std::string list_voices(const Config& config)
{
    std::map<std::string, Json> offers;
    for (const ProviderConfig& provider : config.providers)
        if (provider.enabled)
            for (const std::string& voice : adapter_for(provider.kind).voices(provider))
                offers[voice].push_back(provider.name);
    Json voices = Json::array();
    for (const auto& [voice, providers] : offers)
        voices.push_back({{"id", voice}, {"name", voice}, {"providers", providers}});
    return dump_json(Json{{"voices", std::move(voices)}});
}

} // namespace conduit::agent
