// SPDX-License-Identifier: Apache-2.0
// AWS: signatures, errors, Polly, the JSON half of Transcribe.
#include "core/event_stream.hpp"
#include "core/hash.hpp"
#include "core/text.hpp"
#include "core/url.hpp"
#include "sim/audio/audio.hpp"
#include "sim/wire/providers.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::sim {
namespace {

constexpr std::size_t k_max_billed = 3000;
constexpr std::size_t k_max_total = 6000;

struct Voice {
    std::string_view id;
    std::string_view gender;
    std::string_view language;
    std::string_view language_name;
    bool neural = true;
};
constexpr std::array<Voice, 6> k_voices = {{{"Joanna", "Female", "en-US", "US English"},
                                            {"Matthew", "Male", "en-US", "US English"},
                                            {"Amy", "Female", "en-GB", "British English"},
                                            {"Brian", "Male", "en-GB", "British English"},
                                            {"Vicki", "Female", "de-DE", "German"},
                                            {"Nicole", "Female", "en-AU", "Australian English", false}}};

struct PollyFormat {
    std::string_view name;
    AudioFormat format;
    std::string_view media;
    std::string_view rates; // the first one is the default
};
constexpr std::array<PollyFormat, 5> k_formats = {
    {{"mp3", AudioFormat::mp3, "audio/mpeg", "22050 24000 16000 8000 44100 48000"},
     {"ogg_opus", AudioFormat::opus, "audio/ogg", "48000"},
     {"pcm", AudioFormat::pcm, "audio/pcm", "16000 8000"},
     {"mulaw", AudioFormat::mulaw, "audio/mulaw", "8000"},
     {"alaw", AudioFormat::alaw, "audio/alaw", "8000"}}};

std::size_t characters(std::string_view text)
{
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

// Text without its tags; nullopt when a tag is not closed or the root is not <speak>.
std::optional<std::string> ssml_text(std::string_view ssml)
{
    ssml = trim(ssml);
    if (!ssml.starts_with("<speak") || !ssml.ends_with("</speak>"))
        return std::nullopt;
    std::string out;
    bool tag = false;
    for (const char c : ssml) {
        if ((c == '<' && tag) || (c == '>' && !tag))
            return std::nullopt;
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

// <prosody rate="125%">: the way to set Polly's speed.
double ssml_speed(std::string_view ssml)
{
    const auto at = ssml.find("rate=\"");
    double percent = 100;
    if (at != std::string_view::npos)
        std::from_chars(ssml.data() + at + 6, ssml.data() + ssml.size(), percent);
    return std::clamp(percent / 100, 0.2, 5.0);
}

WireResponse refuse(std::string_view code, std::string_view message)
{
    return aws_error(400, code, message, false);
}

struct Order {
    const PollyFormat* format = nullptr;
    std::uint32_t rate = 0;
    double speed = 1;
    std::string text;
};

std::optional<WireResponse> read_format(const Json& body, Order& order)
{
    const auto name = json_string_or(body, "OutputFormat", "");
    const auto* format = std::ranges::find(k_formats, name, &PollyFormat::name);
    if (format == k_formats.end())
        return refuse(
            "ValidationException",
            fmt::format("1 validation error detected: Value '{}' at 'outputFormat' failed to satisfy "
                        "constraint: Member must satisfy enum value set: [mp3, ogg_opus, pcm, mulaw, alaw]",
                        name));
    order.format = format;
    const auto rates = split(format->rates, ' ');
    auto rate = json_string_or(body, "SampleRate", "");
    if (rate.empty())
        rate = name == "mp3" && json_string_or(body, "Engine", "standard") != "standard" ? "24000"
                                                                                         : rates.front();
    if (std::ranges::find(rates, rate) == rates.end())
        return refuse("InvalidSampleRateException", "The specified sample rate is not valid");
    std::from_chars(rate.data(), rate.data() + rate.size(), order.rate);
    return std::nullopt;
}

std::optional<WireResponse> read_text(const Json& body, Order& order)
{
    order.text = json_string_or(body, "Text", "");
    if (order.text.empty())
        return refuse("ValidationException",
                      "1 validation error detected: Value null at 'text' failed to satisfy "
                      "constraint: Member must not be null");
    if (characters(order.text) > k_max_total)
        return refuse("TextLengthExceededException", "Maximum text length has been exceeded");
    if (json_string_or(body, "TextType", "text") == "ssml") {
        order.speed = ssml_speed(order.text);
        const auto text = ssml_text(order.text);
        if (!text)
            return refuse("InvalidSsmlException", "Invalid SSML request");
        order.text = *text;
    }
    if (characters(order.text) > k_max_billed)
        return refuse("TextLengthExceededException", "Maximum text length has been exceeded");
    return std::nullopt;
}

WireResponse speech(const WireRequest& request)
{
    const auto body = parse_json(request.body);
    if (!body || !body->is_object())
        return refuse("SerializationException", "Could not parse the request body");
    Order order;
    if (auto refused = read_format(*body, order))
        return *std::move(refused);
    const auto id = json_string_or(*body, "VoiceId", "");
    const auto* voice = std::ranges::find(k_voices, id, &Voice::id);
    if (voice == k_voices.end())
        return refuse("ValidationException",
                      fmt::format("1 validation error detected: Value '{}' at 'voiceId' failed to "
                                  "satisfy constraint: Member must satisfy enum value set",
                                  id));
    const auto engine = json_string_or(*body, "Engine", "standard");
    if (engine != "standard" && !(engine == "neural" && voice->neural))
        return refuse("EngineNotSupportedException",
                      "This voice does not support the selected engine: " + engine);
    if (auto refused = read_text(*body, order))
        return *std::move(refused);
    const auto& format = *order.format;
    SpeechSpec spec{format.format, order.rate, order.speed, 48};
    WireResponse response{
        200, {{"Content-Type", std::string(format.media)}}, make_speech(order.text, spec), true, {}};
    response.headers.emplace_back("x-amzn-RequestCharacters", fmt::to_string(characters(order.text)));
    return response;
}

WireResponse voices(const WireRequest& request)
{
    const auto query = parse_query(request.query);
    const auto value = [&](const char* name) {
        const auto found = query.find(name);
        return found == query.end() ? std::string{} : found->second;
    };
    Json list = Json::array();
    for (const auto& voice : k_voices) {
        if ((!value("LanguageCode").empty() && value("LanguageCode") != voice.language) ||
            (value("Engine") == "neural" && !voice.neural))
            continue;
        list.push_back({{"Gender", voice.gender},
                        {"Id", voice.id},
                        {"LanguageCode", voice.language},
                        {"LanguageName", voice.language_name},
                        {"Name", voice.id},
                        {"SupportedEngines",
                         voice.neural ? Json::array({"standard", "neural"}) : Json::array({"standard"})},
                        {"AdditionalLanguageCodes", Json::array()}});
    }
    return json_response(200, {{"Voices", std::move(list)}, {"NextToken", nullptr}});
}

WireResponse list_jobs()
{
    auto response = json_response(200, {{"TranscriptionJobSummaries", Json::array()}});
    response.headers.front().second = "application/x-amz-json-1.1";
    return response;
}

std::string_view service_of(const Route& route)
{
    return route.name.starts_with("transcribe") ? "transcribe" : "polly";
}

WireResponse dispatch(const Route& route, const WireRequest& request)
{
    if (route.name == "polly.speech")
        return speech(request);
    if (route.name == "polly.voices")
        return voices(request);
    if (route.name == "transcribe.list")
        return list_jobs();
    return aws_error(404, "UnknownOperationException", "", request.path == "/");
}

} // namespace

WireResponse aws_error(int status, std::string_view code, std::string_view message, bool json_protocol)
{
    if (json_protocol) {
        auto response = json_response(status, {{"__type", code}, {"Message", message}});
        response.headers.front().second = "application/x-amz-json-1.1";
        return response;
    }
    auto response = json_response(status, {{"message", message}});
    response.headers.emplace_back("x-amzn-ErrorType",
                                  fmt::format("{}:http://internal.amazon.com/coral/com.amazonaws/", code));
    return response;
}

std::string transcribe_exception(std::string_view type, std::string_view message)
{
    const EventHeader headers[] = {{":message-type", EventType::text, "exception"},
                                   {":exception-type", EventType::text, std::string(type)},
                                   {":content-type", EventType::text, "application/json"}};
    return encode_event(headers, dump_json({{"Message", message}}));
}

Result<std::string> check_aws_signature(const WireRequest& request, const WireContext& context,
                                        std::string_view service)
{
    SigV4Request signed_request{request.method, request.path, request.query, request.headers, {}};
    const auto refuse_with = [](std::string_view code, std::string_view message) {
        return std::unexpected(
            Error{ErrorKind::auth, std::string(message)}.with_detail("code", std::string(code)));
    };
    TRY_ASSIGN(const auto claim, read_sigv4_claim(signed_request));
    const auto actual = claim.presigned ? std::string(k_empty_sha256) : sha256_hex(request.body);
    const auto stated = request.header("x-amz-content-sha256");
    signed_request.payload_hash = stated.empty() ? actual : std::string(stated);
    if (stated.size() == 64 && stated != actual)
        return refuse_with("InvalidSignatureException",
                           "The x-amz-content-sha256 header does not match the body.");
    const auto& known = context.credentials->aws;
    const auto key = std::ranges::find(known, claim.access_key, &SigV4Credentials::access_key);
    if (key == known.end())
        return refuse_with("UnrecognizedClientException",
                           "The security token included in the request is invalid.");
    if (claim.scope.service != service)
        return refuse_with("InvalidSignatureException",
                           fmt::format("Credential should be scoped to correct service: '{}'.", service));
    const auto query = parse_query(request.query);
    const auto in_query = query.find("X-Amz-Security-Token");
    const auto token = claim.presigned ? (in_query == query.end() ? "" : in_query->second)
                                       : std::string(request.header("x-amz-security-token"));
    if (token != key->session_token)
        return refuse_with("UnrecognizedClientException",
                           "The security token included in the request is invalid.");
    TRY(verify_sigv4(signed_request, claim, *key, context.now));
    return claim.access_key;
}

WireResponse answer_aws(const Route& route, const WireRequest& request, const WireContext& context)
{
    // Transcribe reports a wrong signature after the 101, as a frame; see open_transcribe.
    if (route.websocket && iequals(request.header("upgrade"), "websocket")) {
        WireResponse response{101, {}, {}, false, {}};
        response.caller = check_aws_signature(request, context, "transcribe").value_or("");
        const auto query = parse_query(request.query);
        const auto session = query.find("session-id");
        response.headers = {
            {"x-amzn-RequestId", make_uuid(context.serial)},
            {"x-amzn-SessionId", session == query.end() ? make_uuid(~context.serial) : session->second}};
        return response;
    }
    const auto caller = check_aws_signature(request, context, service_of(route));
    auto response = caller ? dispatch(route, request)
                           : aws_error(403, caller.error().details.at("code"), caller.error().message,
                                       route.name == "transcribe.list");
    if (caller)
        response.caller = *caller;
    response.headers.emplace_back("x-amzn-RequestId", make_uuid(context.serial));
    return response;
}

} // namespace conduit::sim
