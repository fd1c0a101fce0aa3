// SPDX-License-Identifier: Apache-2.0
// OpenAI: credentials, errors, models.
#include "core/hash.hpp"
#include "core/text.hpp"
#include "sim/wire/providers.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::sim {
namespace {

constexpr std::array<std::string_view, 13> k_models = {"whisper-1",
                                                       "gpt-4o-transcribe",
                                                       "gpt-4o-mini-transcribe",
                                                       "gpt-4o-transcribe-diarize",
                                                       "gpt-transcribe",
                                                       "tts-1",
                                                       "tts-1-hd",
                                                       "gpt-4o-mini-tts",
                                                       "gpt-4o",
                                                       "gpt-4o-mini",
                                                       "gpt-4.1",
                                                       "gpt-realtime",
                                                       "gpt-realtime-mini"};

Json model_object(std::string_view id)
{
    return {{"id", id}, {"object", "model"}, {"created", 1677532384}, {"owned_by", "openai-internal"}};
}

WireResponse models(std::string_view path)
{
    constexpr std::string_view k_base = "/v1/models";
    if (path == k_base) {
        Json data = Json::array();
        for (const auto id : k_models)
            data.push_back(model_object(id));
        return json_response(200, {{"object", "list"}, {"data", std::move(data)}});
    }
    const auto id = percent_decode(path.substr(k_base.size() + 1));
    if (!id || !openai_model_exists(*id))
        return openai_no_model(id ? *id : "");
    return json_response(200, model_object(*id));
}

// The key, from the header or, for browsers' WebSockets, from the subprotocols.
std::string offered_key(const WireRequest& request, const Route& route)
{
    const auto authorization = request.header("authorization");
    if (authorization.size() > 7 && iequals(authorization.substr(0, 7), "Bearer "))
        return std::string(trim(authorization.substr(7)));
    constexpr std::string_view k_prefix = "openai-insecure-api-key.";
    for (const auto& item : split(request.header("sec-websocket-protocol"), ',')) {
        const auto name = trim(item);
        if (route.websocket && name.starts_with(k_prefix))
            return std::string(name.substr(k_prefix.size()));
    }
    return {};
}

WireResponse no_key()
{
    return openai_error(
        {401,
         "invalid_request_error",
         "You didn't provide an API key. You need to provide your API key in an Authorization "
         "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
         {},
         {}});
}

WireResponse wrong_key(std::string_view key)
{
    const auto shown = key.size() < 13
                           ? std::string(key.size(), '*')
                           : fmt::format("{}****{}", key.substr(0, 7), key.substr(key.size() - 4));
    return openai_error({401,
                         "invalid_request_error",
                         fmt::format("Incorrect API key provided: {}. You can find your API key at "
                                     "https://platform.openai.com/account/api-keys.",
                                     sanitize_utf8(shown)),
                         {},
                         "invalid_api_key"});
}

WireResponse dispatch(const Route& route, const WireRequest& request, const WireContext& context)
{
    if (route.name == "transcriptions" || route.name == "translations")
        return openai_transcription(request, route.name == "translations");
    if (route.name == "speech")
        return openai_speech(request);
    if (route.name == "chat")
        return openai_chat(request, context);
    if (route.name == "models")
        return models(request.path);
    if (route.name == "realtime") {
        if (!iequals(request.header("upgrade"), "websocket"))
            return openai_error(
                {400, "invalid_request_error", "This endpoint speaks WebSocket only.", {}, {}});
        if (request.header("sec-websocket-protocol").contains("openai-beta.realtime-v1"))
            return openai_error({400,
                                 "invalid_request_error",
                                 "The Realtime Beta API is no longer supported.",
                                 {},
                                 "beta_api_shape_disabled"});
        return {101, {}, {}, false, {}};
    }
    return openai_error({404,
                         "invalid_request_error",
                         fmt::format("Invalid URL ({} {})", request.method, sanitize_utf8(request.path)),
                         {},
                         {}});
}

void add_headers(WireResponse& response, const WireContext& context)
{
    for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
             {"openai-organization", "org-sim"},
             {"openai-processing-ms", "1"},
             {"openai-version", "2020-10-01"},
             {"x-ratelimit-limit-requests", "10000"},
             {"x-ratelimit-remaining-requests", "9999"},
             {"x-ratelimit-reset-requests", "6ms"}})
        response.headers.emplace_back(name, value);
    response.headers.emplace_back("x-request-id", make_id("req_", context.serial));
}

} // namespace

bool openai_model_exists(std::string_view model)
{
    // Dated and later models of the known families exist too.
    return std::ranges::any_of(
        std::array<std::string_view, 5>{"whisper-", "gpt-", "tts-", "chatgpt-", "sim-"},
        [&](std::string_view family) { return model.starts_with(family); });
}

WireResponse openai_no_model(std::string_view model)
{
    return openai_error(
        {404,
         "invalid_request_error",
         fmt::format("The model `{}` does not exist or you do not have access to it.", sanitize_utf8(model)),
         {},
         "model_not_found"});
}

WireResponse openai_error(const OpenAiError& error)
{
    const auto or_null = [](std::string_view text) { return text.empty() ? Json(nullptr) : Json(text); };
    return json_response(error.status, {{"error",
                                         {{"message", error.message},
                                          {"type", error.type},
                                          {"param", or_null(error.param)},
                                          {"code", or_null(error.code)}}}});
}

std::string sse_event(const Json& event)
{
    return "data: " + dump_json(event) + "\n\n";
}

WireResponse answer_openai(const Route& route, const WireRequest& request, const WireContext& context)
{
    const auto key = offered_key(request, route);
    const auto& known = context.credentials->keys_of(context.provider, ProviderKind::openai);
    WireResponse response;
    if (key.empty()) {
        response = no_key();
    } else if (std::ranges::find(known, key) == known.end()) {
        response = wrong_key(key);
    } else {
        response = dispatch(route, request, context);
        response.caller = fingerprint(key);
    }
    add_headers(response, context);
    return response;
}

} // namespace conduit::sim
