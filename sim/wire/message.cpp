// SPDX-License-Identifier: Apache-2.0
#include "sim/wire/message.hpp"

#include "core/text.hpp"
#include "core/yaml.hpp"
#include "sim/wire/providers.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::sim {
namespace {

constexpr std::array<std::string_view, 3> k_kinds = {"openai", "google", "aws"};

std::uint64_t scramble(std::uint64_t value) // splitmix64
{
    value += 0x9e3779b97f4a7c15ULL;
    value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ (value >> 27U)) * 0x94d049bb133111ebULL;
    return value ^ (value >> 31U);
}

Route openai_route(const WireRequest& request)
{
    const bool post = request.method == "POST";
    const std::string_view path = request.path;
    if (post && path == "/v1/audio/transcriptions")
        return {"transcriptions", RouteClass::client};
    if (post && path == "/v1/audio/translations")
        return {"translations", RouteClass::client};
    if (post && path == "/v1/audio/speech")
        return {"speech", RouteClass::client};
    if (post && path == "/v1/chat/completions")
        return {"chat", RouteClass::client};
    if (request.method == "GET" && path == "/v1/realtime")
        return {"realtime", RouteClass::client, true};
    if (request.method == "GET" && (path == "/v1/models" || path.starts_with("/v1/models/")))
        return {"models", RouteClass::probe};
    return {};
}

Route google_route(const WireRequest& request)
{
    if (request.method == "POST" && request.path == "/v1/speech:recognize")
        return {"recognize", RouteClass::client};
    if (request.method == "POST" && request.path == "/v1/text:synthesize")
        return {"synthesize", RouteClass::client};
    if (request.method == "GET" && request.path == "/v1/voices")
        return {"voices", RouteClass::probe};
    return {};
}

Route aws_route(const WireRequest& request)
{
    if (request.method == "POST" && request.path == "/v1/speech")
        return {"polly.speech", RouteClass::client};
    if (request.method == "GET" && request.path == "/v1/voices")
        return {"polly.voices", RouteClass::probe};
    if (request.method == "GET" && request.path == "/stream-transcription-websocket")
        return {"transcribe.stream", RouteClass::client, true};
    if (request.method == "POST" && request.path == "/" &&
        request.header("x-amz-target").ends_with("Transcribe.ListTranscriptionJobs"))
        return {"transcribe.list", RouteClass::probe};
    return {};
}

Result<std::vector<std::string>> key_list(const YamlNode& node)
{
    std::vector<std::string> keys;
    if (!node.is_list())
        return node.error("a list of keys is expected");
    for (const auto& item : node.items()) {
        TRY_ASSIGN(auto key, item.as_string());
        keys.push_back(std::move(key));
    }
    return keys;
}

Result<std::vector<SigV4Credentials>> aws_list(const YamlNode& node)
{
    std::vector<SigV4Credentials> list;
    if (!node.is_list())
        return node.error("a list of access keys is expected");
    for (const auto& item : node.items()) {
        SigV4Credentials one;
        TRY_ASSIGN(one.access_key, item.get("access_key_id").as_string());
        TRY_ASSIGN(one.secret_key, item.get("secret_access_key").as_string());
        if (item.get("session_token").exists()) {
            TRY_ASSIGN(one.session_token, item.get("session_token").as_string());
        }
        list.push_back(std::move(one));
    }
    return list;
}

} // namespace

std::optional<ProviderKind> parse_provider_kind(std::string_view name)
{
    const auto* found = std::ranges::find(k_kinds, name);
    if (found == k_kinds.end())
        return std::nullopt;
    return static_cast<ProviderKind>(found - k_kinds.begin());
}

std::string_view provider_kind_name(ProviderKind kind)
{
    return k_kinds[static_cast<std::size_t>(kind)];
}

std::string_view WireRequest::header(std::string_view name) const
{
    const auto found =
        std::ranges::find_if(headers, [&](const auto& one) { return iequals(one.first, name); });
    return found == headers.end() ? std::string_view{} : std::string_view(found->second);
}

WireResponse json_response(int status, const Json& body)
{
    return {status, {{"Content-Type", "application/json"}}, dump_json(body), false, {}};
}

Route find_route(ProviderKind provider, const WireRequest& request)
{
    switch (provider) {
    case ProviderKind::openai:
        return openai_route(request);
    case ProviderKind::google:
        return google_route(request);
    case ProviderKind::aws:
        return aws_route(request);
    }
    return {};
}

const std::vector<std::string>& SimCredentials::keys_of(std::string_view provider, ProviderKind kind) const
{
    static const std::vector<std::string> k_none;
    auto found = keys.find(std::string(provider));
    if (found == keys.end())
        found = keys.find(std::string(provider_kind_name(kind)));
    return found == keys.end() ? k_none : found->second;
}

SimCredentials test_credentials()
{
    SimCredentials out;
    out.keys["openai"] = {"sk-sim-openai-test-key"};
    out.keys["google"] = {"AIzaSimGoogleTestKey"};
    out.aws = {{"AKIDSIMTESTKEY", "sim-aws-test-secret-access-key", {}}};
    return out;
}

Result<SimCredentials> parse_credentials(std::string_view text, std::string_view name)
{
    TRY_ASSIGN(const auto root, parse_yaml(text, name));
    if (!root.is_map())
        return root.error("a mapping from providers to their credentials is expected");
    SimCredentials out;
    for (const auto& key : root.keys()) {
        if (key == "aws") {
            TRY_ASSIGN(out.aws, aws_list(root.get(key)));
        } else {
            TRY_ASSIGN(out.keys[key], key_list(root.get(key)));
        }
    }
    return out;
}

std::string make_id(std::string_view prefix, std::uint64_t serial)
{
    return fmt::format("{}{:016x}{:016x}", prefix, scramble(serial), scramble(~serial));
}

std::string make_uuid(std::uint64_t serial)
{
    auto text = make_id("", serial);
    text[12] = '4';
    text[16] = '8';
    for (const std::size_t at : {8U, 13U, 18U, 23U})
        text.insert(at, 1, '-');
    return text;
}

WireResponse answer(ProviderKind provider, const Route& route, const WireRequest& request,
                    const WireContext& context)
{
    switch (provider) {
    case ProviderKind::openai:
        return answer_openai(route, request, context);
    case ProviderKind::google:
        return answer_google(route, request, context);
    case ProviderKind::aws:
        return answer_aws(route, request, context);
    }
    return {};
}

std::unique_ptr<WireSocket> open_socket(ProviderKind provider, const WireRequest& request,
                                        const WireContext& context)
{
    if (provider == ProviderKind::openai)
        return open_realtime(request, context);
    return open_transcribe(request, context);
}

} // namespace conduit::sim
