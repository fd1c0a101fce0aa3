// SPDX-License-Identifier: Apache-2.0
// OpenAI and servers compatible with it (Azure, Groq, local Whisper servers): mostly passed on as it came.
#include "agent/providers/adapters.hpp"
#include "agent/providers/multipart_rewriter.hpp"
#include "agent/providers/support.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

constexpr std::string_view k_endpoint = "https://api.openai.com";

bool is_azure(const Url& url)
{
    return url.host.ends_with(".azure.com") || url.host.ends_with(".azure.us") ||
           url.host.ends_with(".azure.cn");
}

// https://host, https://host/v1 and Azure's https://host/openai/deployments/NAME?api-version=... are all
// meant.
Result<Url> url_of(const ProviderConfig& provider, std::string_view path)
{
    TRY_ASSIGN(auto url, base_url(provider, "openai", k_endpoint));
    if (!url.path.ends_with("/v1") && !url.path.contains("/openai/deployments/"))
        url.path += "/v1";
    url.path += path;
    return url;
}

UpstreamRequest request_to(const ProviderConfig& provider, Url url)
{
    UpstreamRequest request;
    request.headers.emplace_back("User-Agent", k_user_agent);
    if (!provider.key.empty()) {
        if (is_azure(url))
            request.headers.emplace_back("api-key", provider.key);
        else
            request.headers.emplace_back("Authorization", "Bearer " + provider.key);
    }
    request.url = std::move(url);
    return request;
}

bool rewrites(const ProviderConfig& provider, Operation operation)
{
    const auto it = provider.models.find(operation);
    return provider.rewrite_model && it != provider.models.end() && !it->second.empty();
}

// The client's document with the provider's model and voice; unchanged bytes when neither is to be replaced.
Result<std::string> adapted_json(const ProviderConfig& provider, Operation operation, const std::string& raw,
                                 std::string_view voice)
{
    const auto mapped = voice.empty() ? provider.voices.end() : provider.voices.find(std::string(voice));
    if (!rewrites(provider, operation) && mapped == provider.voices.end())
        return raw;
    TRY_ASSIGN(auto document, parse_json(raw));
    if (!document.is_object())
        return fail(ErrorKind::usage, "the body is not a JSON object", "Send a JSON object.");
    if (rewrites(provider, operation))
        document["model"] = provider.models.at(operation);
    if (mapped != provider.voices.end())
        document["voice"] = mapped->second;
    return dump_json(document);
}

std::string multipart_type(std::string_view boundary)
{
    const bool token = boundary.find_first_of(" ()<>@,;:/[]?=") == std::string_view::npos;
    return fmt::format(
        fmt::runtime(token ? "multipart/form-data; boundary={}" : "multipart/form-data; boundary=\"{}\""),
        boundary);
}

struct ApiError {
    bool shaped = false; // the server spoke in OpenAI's shape
    std::string message, type, code;
};

ApiError read_error(std::string_view body)
{
    ApiError out;
    const auto parsed = parse_json(body);
    if (!parsed || !parsed->is_object())
        return out;
    const auto* error = json_find(*parsed, "error");
    if (error != nullptr && error->is_object()) {
        out.shaped = true;
        out.message = json_string_or(*error, "message", "");
        out.type = json_string_or(*error, "type", "");
        out.code = json_string_or(*error, "code", "");
    } else if (error != nullptr && error->is_string()) {
        out.message = error->get<std::string>();
    } else {
        out.message = json_string_or(*parsed, "message", json_string_or(*parsed, "detail", ""));
    }
    return out;
}

// "... Please try again in 20s." for servers that send no Retry-After.
Duration wait_in_text(std::string_view message)
{
    constexpr std::string_view mark = "try again in ";
    const auto at = message.find(mark);
    if (at == std::string_view::npos)
        return Duration{0};
    auto text = message.substr(at + mark.size());
    text = text.substr(0, text.find_first_of(" ,"));
    while (text.ends_with('.'))
        text.remove_suffix(1);
    return parse_go_duration(text).value_or(Duration{0});
}

Outcome outcome_of(int status, const ApiError& error)
{
    const auto is = [&](std::string_view name) { return error.code == name || error.type == name; };
    if (is("insufficient_quota") || is("billing_hard_limit_reached") || is("billing_not_active"))
        return Outcome::quota;
    if (is("invalid_api_key"))
        return Outcome::credential;
    if (status == 404)
        return error.shaped && error.code == "model_not_found" ? Outcome::client_error : Outcome::unsupported;
    return outcome_of_status(status);
}

class OpenAiAdapter final : public Adapter {
  public:
    std::string unsupported(const ProviderConfig& /*provider*/,
                            const ClientRequest& /*request*/) const override
    {
        return {};
    }

    Result<UpstreamRequest> build(const ProviderConfig& provider, const ClientRequest& request,
                                  WallTime now) const override
    {
        switch (request.operation) {
        case Operation::realtime:
            return realtime(provider, {}, now);
        case Operation::speech:
            return json_request(provider, request.operation, "/audio/speech", request.speech.raw_json,
                                request.speech.voice);
        case Operation::chat:
            return json_request(provider, request.operation, "/chat/completions", request.chat.raw_json, {});
        case Operation::transcription:
        case Operation::translation:
            break;
        }
        const bool translation = request.operation == Operation::translation;
        TRY_ASSIGN(auto url, url_of(provider, translation ? "/audio/translations" : "/audio/transcriptions"));
        auto out = request_to(provider, std::move(url));
        out.headers.emplace_back("Content-Type", multipart_type(request.stt.boundary));
        return out;
    }

    std::unique_ptr<BodyEncoder> encoder(const ProviderConfig& provider,
                                         const ClientRequest& request) const override
    {
        const bool form =
            request.operation == Operation::transcription || request.operation == Operation::translation;
        if (!form || !rewrites(provider, request.operation))
            return nullptr;
        return std::make_unique<MultipartRewriter>(request.stt.boundary, "model",
                                                   provider.models.at(request.operation));
    }

    std::unique_ptr<ResponseDecoder> decoder(const ProviderConfig& /*provider*/,
                                             const ClientRequest& /*request*/,
                                             const ResponseHead& /*head*/) const override
    {
        return nullptr;
    }

    Classified classify(const ResponseHead& head, std::string_view body) const override
    {
        Classified out;
        out.outcome = outcome_of_status(head.status);
        if (out.outcome == Outcome::ok)
            return out;
        const auto error = read_error(body);
        out.outcome = outcome_of(head.status, error);
        out.code = safe_text(error.code.empty() ? error.type : error.code);
        out.message = safe_text(error.message);
        out.retry_after = retry_after(head);
        if (out.outcome == Outcome::throttled && out.retry_after == Duration{0})
            out.retry_after = wait_in_text(error.message);
        if (out.message.empty())
            out.message = fmt::format("the provider answered HTTP {}", head.status);
        conceal(out);
        return out;
    }

    Result<UpstreamRequest> realtime(const ProviderConfig& provider, std::string_view model,
                                     WallTime /*now*/) const override
    {
        TRY_ASSIGN(auto url, url_of(provider, "/realtime"));
        url.scheme = url.tls() ? "wss" : "ws";
        const auto wanted = model_for(provider, Operation::realtime, model);
        if (!wanted.empty())
            url.query += (url.query.empty() ? "model=" : "&model=") + percent_encode(wanted);
        auto out = request_to(provider, std::move(url));
        out.transport = Transport::websocket;
        out.method = "GET";
        return out;
    }

    ProbeSpec probe(const ProviderConfig& provider, WallTime /*now*/) const override
    {
        ProbeSpec out;
        auto url = url_of(provider, "/models");
        if (url)
            out.request = request_to(provider, std::move(*url));
        out.request.method = "GET";
        out.request.body = "";
        return out;
    }

    std::vector<std::string> models(const ProviderConfig& provider) const override
    {
        std::vector<std::string> out{
            "whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize",
            "tts-1",     "tts-1-hd",          "gpt-4o-mini-tts",        "gpt-realtime"};
        return with_models(std::move(out), provider);
    }

    std::vector<std::string> voices(const ProviderConfig& provider) const override
    {
        std::vector<std::string> out{"alloy", "ash",  "ballad",  "coral", "echo",  "fable", "onyx",
                                     "nova",  "sage", "shimmer", "verse", "marin", "cedar"};
        return with_voices(std::move(out), provider);
    }

  private:
    static Result<UpstreamRequest> json_request(const ProviderConfig& provider, Operation operation,
                                                std::string_view path, const std::string& raw,
                                                std::string_view voice)
    {
        TRY_ASSIGN(auto url, url_of(provider, path));
        TRY_ASSIGN(auto body, adapted_json(provider, operation, raw, voice));
        auto out = request_to(provider, std::move(url));
        out.headers.emplace_back("Content-Type", "application/json");
        out.body = std::move(body);
        return out;
    }
};

} // namespace

const Adapter& openai_adapter()
{
    static const OpenAiAdapter adapter;
    return adapter;
}

} // namespace conduit::agent
