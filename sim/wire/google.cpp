// SPDX-License-Identifier: Apache-2.0
// Google Cloud: Speech-to-Text v1, Text-to-Speech v1.
#include "core/hash.hpp"
#include "core/text.hpp"
#include "core/url.hpp"
#include "sim/audio/audio.hpp"
#include "sim/audio/containers.hpp"
#include "sim/wire/providers.hpp"
#include "sim/wire/transcript.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::sim {
namespace {

constexpr std::size_t k_max_text = 5000;
constexpr std::size_t k_max_content = 10U << 20U;
constexpr std::array<std::string_view, 9> k_encodings = {
    "ENCODING_UNSPECIFIED", "LINEAR16", "FLAC", "MULAW", "AMR", "AMR_WB", "OGG_OPUS", "MP3", "WEBM_OPUS"};
constexpr std::array<std::array<std::string_view, 3>, 6> k_voices = {
    {{"en-US", "en-US-Neural2-C", "FEMALE"},
     {"en-US", "en-US-Neural2-D", "MALE"},
     {"en-US", "en-US-Standard-A", "MALE"},
     {"en-GB", "en-GB-Neural2-A", "FEMALE"},
     {"de-DE", "de-DE-Neural2-B", "MALE"},
     {"fr-FR", "fr-FR-Neural2-A", "FEMALE"}}};

WireResponse invalid(std::string message)
{
    return google_error({.message = std::move(message)});
}

WireResponse google_json(const Json& body)
{
    auto response = json_response(200, body);
    response.headers.front().second = "application/json; charset=UTF-8";
    return response;
}

std::string seconds_text(double seconds)
{
    return fmt::format("{:.3f}s", seconds);
}

Json recognized_words(std::string_view text, double seconds, bool confidence)
{
    Json words = Json::array();
    for (const auto& one : words_of(text, seconds)) {
        words.push_back(
            {{"startTime", seconds_text(one.start)}, {"endTime", seconds_text(one.end)}, {"word", one.text}});
        if (confidence)
            words.back()["confidence"] = 0.98;
    }
    return words;
}

std::optional<WireResponse> bad_recognition(const Json& config, const AudioFacts& facts)
{
    if (json_string_or(config, "languageCode", "").empty())
        return invalid("Invalid recognition 'config': bad language_code..");
    const auto encoding = json_string_or(config, "encoding", "ENCODING_UNSPECIFIED");
    if (std::ranges::find(k_encodings, encoding) == k_encodings.end())
        return invalid(
            fmt::format("Invalid value at 'config.encoding' (type.googleapis.com/google.cloud.speech.v1."
                        "RecognitionConfig.AudioEncoding), \"{}\"",
                        encoding));
    const bool has_header = facts.format == AudioFormat::wav || facts.format == AudioFormat::flac;
    if (encoding == "ENCODING_UNSPECIFIED" && !has_header)
        return invalid("Invalid recognition 'config': bad encoding..");
    if (!has_header && json_number_or(config, "sampleRateHertz", 0) <= 0)
        return invalid("Invalid recognition 'config': bad sample rate hertz.");
    if (facts.seconds > 60.5)
        return invalid(
            "Sync input too long. For audio longer than 1 min use LongRunningRecognize with a 'uri' "
            "parameter.");
    return std::nullopt;
}

WireResponse recognize(const Json& body, const WireContext& context)
{
    const auto* config = json_find(body, "config");
    const auto* audio = json_find(body, "audio");
    const auto content = audio == nullptr ? std::string{} : json_string_or(*audio, "content", "");
    if (config == nullptr || content.empty())
        return invalid("RecognitionAudio not set.");
    const auto bytes = base64_decode(content);
    if (!bytes)
        return invalid("Invalid value at 'audio.content' (TYPE_BYTES), Base64 decoding failed");
    if (bytes->size() > k_max_content)
        return invalid("Request payload size exceeds the limit: 10485760 bytes.");
    const auto rate = json_number_or(*config, "sampleRateHertz", 16000);
    auto facts = read_audio(*bytes, static_cast<std::uint32_t>(std::clamp(rate, 1.0, 192000.0)));
    if (!facts.text && json_string_or(*config, "encoding", "") == "MULAW")
        facts.text = hidden_text(*bytes, 1);
    if (auto refused = bad_recognition(*config, facts))
        return *std::move(refused);
    const auto text = transcript_of(*bytes, facts);
    Json result{{"totalBilledTime", fmt::format("{}s", static_cast<long>(std::ceil(facts.seconds)))},
                {"requestId", fmt::to_string(1000000000000000000ULL + context.serial)}};
    if (text.empty()) // proto3 leaves an empty list out
        return google_json(std::move(result));
    Json results = Json::array();
    const auto language = to_lower(json_string_or(*config, "languageCode", ""));
    for (const auto& segment : segments_of(text, facts.seconds)) {
        Json alternative{{"transcript", (results.empty() ? "" : " ") + segment.text},
                         {"confidence", 0.98267895}};
        if (json_bool_or(*config, "enableWordTimeOffsets", false)) {
            auto words = recognized_words(segment.text, segment.end - segment.start,
                                          json_bool_or(*config, "enableWordConfidence", false));
            alternative["words"] = std::move(words);
        }
        results.push_back({{"alternatives", Json::array({std::move(alternative)})},
                           {"resultEndTime", seconds_text(segment.end)},
                           {"languageCode", language}});
    }
    result["results"] = std::move(results);
    return google_json(std::move(result));
}

std::string plain_text(std::string_view ssml)
{
    std::string out;
    bool tag = false;
    for (const char c : ssml) {
        if (c == '<' || c == '>')
            tag = c == '<';
        else if (!tag)
            out += c;
    }
    for (const auto& [entity, text] :
         {std::pair{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&apos;", "'"}, {"&amp;", "&"}})
        out = replace_all(std::move(out), entity, text);
    return out;
}

Result<std::string> encode(const std::string& encoding, std::string_view text, SpeechSpec spec)
{
    if (encoding == "MULAW" || encoding == "ALAW") {
        spec.format = encoding == "MULAW" ? AudioFormat::mulaw : AudioFormat::alaw;
        return make_wav(text, make_speech(text, spec), spec.rate, encoding == "MULAW" ? 7 : 6);
    }
    constexpr std::array<std::pair<std::string_view, AudioFormat>, 4> k_formats = {
        {{"LINEAR16", AudioFormat::wav},
         {"MP3", AudioFormat::mp3},
         {"OGG_OPUS", AudioFormat::opus},
         {"PCM", AudioFormat::pcm}}};
    const auto* found =
        std::ranges::find(k_formats, encoding, &std::pair<std::string_view, AudioFormat>::first);
    if (found == k_formats.end())
        return fail(ErrorKind::failed, "Unsupported audio encoding.");
    spec.format = found->second;
    return make_speech(text, spec);
}

WireResponse synthesize(const Json& body)
{
    const auto* input = json_find(body, "input");
    const auto* config = json_find(body, "audioConfig");
    const auto* voice = json_find(body, "voice");
    if (input == nullptr || config == nullptr || voice == nullptr)
        return invalid("Request must have 'input', 'voice' and 'audioConfig'.");
    const auto ssml = json_string_or(*input, "ssml", "");
    const auto text = ssml.empty() ? json_string_or(*input, "text", "") : ssml;
    if (text.empty())
        return invalid("Either `input.text` or `input.ssml` must be set.");
    if (text.size() > k_max_text)
        return invalid(
            "Either `input.text` or `input.ssml` is longer than the limit of 5000 bytes. This limit is "
            "different from quotas. To fix, reduce the byte length of the characters in this request, or "
            "consider using the Long Audio API: https://cloud.google.com/text-to-speech/docs/"
            "create-audio-text-long-audio-synthesis.");
    if (json_string_or(*voice, "languageCode", "").empty())
        return invalid("Language code must be set.");
    const auto name = json_string_or(*voice, "name", "");
    if (!name.empty() &&
        std::ranges::find(k_voices, name, [](const auto& one) { return one[1]; }) == k_voices.end())
        return invalid(fmt::format("Voice '{}' does not exist. Is it misspelled?", name));
    SpeechSpec spec{.mp3_kbps = 32};
    spec.speed = json_number_or(*config, "speakingRate", 1.0);
    if (spec.speed < 0.25 || spec.speed > 2.0)
        return invalid("Speaking rate must be in the range [0.25, 2.0].");
    const auto rate = json_number_or(*config, "sampleRateHertz", 24000);
    if (rate < 8000 || rate > 48000)
        return invalid("Sample rate must be in the range [8000, 48000].");
    spec.rate = static_cast<std::uint32_t>(rate);
    const auto audio =
        encode(json_string_or(*config, "audioEncoding", ""), ssml.empty() ? text : plain_text(ssml), spec);
    if (!audio)
        return invalid(audio.error().message);
    return google_json({{"audioContent", base64_encode(*audio)}});
}

WireResponse voices(const WireRequest& request)
{
    const auto query = parse_query(request.query);
    const auto wanted = query.find("languageCode");
    Json list = Json::array();
    for (const auto& [language, name, gender] : k_voices) {
        if (wanted == query.end() || language.starts_with(wanted->second))
            list.push_back({{"languageCodes", Json::array({language})},
                            {"name", name},
                            {"ssmlGender", gender},
                            {"naturalSampleRateHertz", 24000}});
    }
    return google_json({{"voices", std::move(list)}});
}

struct Offer {
    std::string key;
    bool bearer = false;
};

Offer offered(const WireRequest& request)
{
    const auto authorization = request.header("authorization");
    if (authorization.size() > 7 && iequals(authorization.substr(0, 7), "Bearer "))
        return {std::string(trim(authorization.substr(7))), true};
    if (const auto key = request.header("x-goog-api-key"); !key.empty())
        return {std::string(key), false};
    const auto query = parse_query(request.query);
    const auto found = query.find("key");
    return {found == query.end() ? "" : found->second, false};
}

WireResponse dispatch(const Route& route, const WireRequest& request, const WireContext& context)
{
    if (route.name == "voices")
        return voices(request);
    if (route.name != "recognize" && route.name != "synthesize")
        return google_error({404, "NOT_FOUND", "Requested entity was not found.", {}});
    const auto body = parse_json(request.body, {.max_bytes = 32U << 20U});
    if (!body || !body->is_object())
        return invalid("Invalid JSON payload received.");
    return route.name == "recognize" ? recognize(*body, context) : synthesize(*body);
}

} // namespace

WireResponse google_error(const GoogleError& error)
{
    Json body{{"code", error.status}, {"message", error.message}, {"status", error.name}};
    if (!error.reason.empty()) {
        body["details"] = Json::array({{{"@type", "type.googleapis.com/google.rpc.ErrorInfo"},
                                        {"reason", error.reason},
                                        {"domain", "googleapis.com"},
                                        {"metadata", {{"service", "speech.googleapis.com"}}}}});
    }
    if (error.retry_s > 0)
        body["details"].push_back({{"@type", "type.googleapis.com/google.rpc.RetryInfo"},
                                   {"retryDelay", fmt::format("{}s", error.retry_s)}});
    auto response = json_response(error.status, {{"error", std::move(body)}});
    response.headers.front().second = "application/json; charset=UTF-8";
    return response;
}

WireResponse answer_google(const Route& route, const WireRequest& request, const WireContext& context)
{
    const auto offer = offered(request);
    const auto& known = context.credentials->keys_of(context.provider, ProviderKind::google);
    if (offer.key.empty())
        return google_error(
            {403,
             "PERMISSION_DENIED",
             "Method doesn't allow unregistered callers (callers without established identity). "
             "Please use API Key or other form of API consumer identity to call this API.",
             {}});
    if (std::ranges::find(known, offer.key) == known.end()) {
        if (offer.bearer)
            return google_error(
                {401, "UNAUTHENTICATED",
                 "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
                 "cookie or other valid authentication credential.",
                 "ACCESS_TOKEN_EXPIRED"});
        return google_error(
            {400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", "API_KEY_INVALID"});
    }
    auto response = dispatch(route, request, context);
    response.caller = fingerprint(offer.key);
    return response;
}

} // namespace conduit::sim
