// SPDX-License-Identifier: Apache-2.0
// Google Cloud: Speech-to-Text v1 and Text-to-Speech v1 over REST.
#include "agent/providers/adapters.hpp"
#include "agent/providers/google_codec.hpp"
#include "agent/providers/support.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

constexpr std::string_view k_stt_endpoint = "https://speech.googleapis.com";
constexpr std::string_view k_tts_endpoint = "https://texttospeech.googleapis.com";
constexpr std::uint64_t k_max_audio = 10'000'000; // bytes of audio in one request
constexpr double k_max_seconds = 60;
constexpr std::size_t k_max_text = 5000; // bytes
constexpr double k_max_rate = 2.0;

constexpr std::array<std::string_view, 9> k_models{
    "latest_long", "latest_short", "command_and_search",   "phone_call",       "video",
    "default",     "telephony",    "medical_conversation", "medical_dictation"};

// OpenAI's voices by gender only: who wants them told apart maps them in the configuration.
struct Voice {
    std::string_view name, gender;
    std::string_view own() const { return gender == "FEMALE" ? "en-US-Neural2-C" : "en-US-Neural2-D"; }
};
constexpr std::array k_voices{
    Voice{"alloy", "FEMALE"}, Voice{"ash", "MALE"},       Voice{"ballad", "MALE"}, Voice{"coral", "FEMALE"},
    Voice{"echo", "MALE"},    Voice{"fable", "MALE"},     Voice{"onyx", "MALE"},   Voice{"nova", "FEMALE"},
    Voice{"sage", "FEMALE"},  Voice{"shimmer", "FEMALE"}, Voice{"verse", "MALE"},  Voice{"marin", "FEMALE"},
    Voice{"cedar", "MALE"},
};

struct Format {
    std::string_view name, encoding, content_type;
    int rate;
};
constexpr std::array k_formats{
    Format{"mp3", "MP3", "audio/mpeg", 0}, Format{"opus", "OGG_OPUS", "audio/opus", 0},
    Format{"wav", "LINEAR16", "audio/wav", 24000}, Format{"pcm", "PCM", "audio/pcm", 24000}};

const Format* find_format(std::string_view name)
{
    const auto it = std::ranges::find(k_formats, name, &Format::name);
    return it == k_formats.end() ? nullptr : &*it;
}

// "en-US-Neural2-C" -> "en-US"; "" when it is not built like one of Google's names.
std::string tag_of_voice(std::string_view voice)
{
    const auto first = voice.find('-');
    const auto second = first == std::string_view::npos ? first : voice.find('-', first + 1);
    if (second == std::string_view::npos || first < 2 || first > 3 || second - first < 3 ||
        second - first > 5)
        return {};
    return std::string(voice.substr(0, second));
}

// null: the voice means nothing to Google.
Json voice_of(const ProviderConfig& provider, const std::string& voice)
{
    const auto mapped = provider.voices.find(voice);
    const auto& name = mapped != provider.voices.end() ? mapped->second : voice;
    if (const auto tag = tag_of_voice(name); !tag.empty())
        return {{"languageCode", tag}, {"name", name}};
    if (mapped != provider.voices.end())
        return {{"languageCode", provider.default_language}, {"name", name}};
    const auto known = std::ranges::find(k_voices, name, &Voice::name);
    if (known == k_voices.end())
        return {};
    if (provider.default_language == "en-US")
        return {{"languageCode", "en-US"}, {"name", known->own()}};
    return {{"languageCode", provider.default_language}, {"ssmlGender", known->gender}};
}

std::string speech_model(const ProviderConfig& provider, std::string_view asked)
{
    const auto it = provider.models.find(Operation::transcription);
    const bool known = std::ranges::find(k_models, asked) != k_models.end();
    if (it != provider.models.end() && (provider.rewrite_model || !known))
        return it->second;
    return known ? std::string(asked) : std::string();
}

Result<UpstreamRequest> request_to(const ProviderConfig& provider, bool speech, std::string_view path)
{
    TRY_ASSIGN(auto url,
               base_url(provider, speech ? "tts" : "stt", speech ? k_tts_endpoint : k_stt_endpoint));
    UpstreamRequest out;
    url.path += path;
    out.url = std::move(url);
    out.headers.emplace_back("User-Agent", k_user_agent);
    if (provider.key.starts_with("ya29."))
        out.headers.emplace_back("Authorization", "Bearer " + provider.key);
    else if (!provider.key.empty())
        out.headers.emplace_back("X-Goog-Api-Key", provider.key);
    return out;
}

std::string refuse_speech(const ProviderConfig& provider, const SpeechParams& speech)
{
    if (find_format(speech.format) == nullptr)
        return fmt::format("{} is not offered by google", speech.format);
    if (speech.speed > k_max_rate)
        return fmt::format("speed above {} is not offered by google", k_max_rate);
    if (speech.stream_format != "audio")
        return "speech as events is not offered by google";
    if (speech.input.size() > k_max_text)
        return fmt::format("text of more than {} bytes is not accepted by google", k_max_text);
    if (voice_of(provider, speech.voice).is_null())
        return fmt::format("voice '{}' is not offered by google", printable(speech.voice.substr(0, 64)));
    return {};
}

std::string refuse_audio(const TranscriptionParams& stt)
{
    switch (stt.audio.format) {
    case AudioFormat::wav:
    case AudioFormat::mp3:
    case AudioFormat::flac:
    case AudioFormat::ogg_opus:
    case AudioFormat::webm:
    case AudioFormat::amr:
        break;
    case AudioFormat::mp4:
        return "m4a and mp4 are not accepted by google";
    case AudioFormat::aac_adts:
        return "aac is not accepted by google";
    case AudioFormat::ogg_vorbis:
        return "ogg vorbis is not accepted by google";
    case AudioFormat::unknown:
        return "audio of an unknown format is not accepted by google";
    }
    if (stt.upload_bytes > k_max_audio)
        return fmt::format("audio of more than {} bytes is not accepted by google", k_max_audio);
    if (stt.audio.seconds.value_or(0) > k_max_seconds)
        return fmt::format("audio of more than {} seconds is not accepted by google", k_max_seconds);
    return {};
}

struct ApiError {
    int code = 0;
    std::string message, status, reason;
    Duration retry{0};
};

ApiError read_error(std::string_view body)
{
    ApiError out;
    const auto parsed = parse_json(body);
    if (!parsed)
        return out;
    const auto& top = parsed->is_array() && !parsed->empty() ? parsed->front() : *parsed;
    const auto* error = json_find(top, "error");
    if (error == nullptr)
        return out;
    out.code = static_cast<int>(std::clamp(json_number_or(*error, "code", 0), 0.0, 599.0));
    out.message = json_string_or(*error, "message", "");
    out.status = json_string_or(*error, "status", "");
    const auto* details = json_find(*error, "details");
    if (details == nullptr || !details->is_array())
        return out;
    for (const auto& detail : *details) {
        const auto type = json_string_or(detail, "@type", "");
        if (type.ends_with("google.rpc.ErrorInfo") && out.reason.empty())
            out.reason = json_string_or(detail, "reason", "");
        if (type.ends_with("google.rpc.RetryInfo"))
            out.retry = parse_proto_duration(json_string_or(detail, "retryDelay", "")).value_or(Duration{0});
    }
    return out;
}

// A bad key is answered with 400: the reason counts for more than the status.
Outcome outcome_of(int http_status, const ApiError& error)
{
    const auto is_any = [](std::string_view what, auto... names) { return ((what == names) || ...); };
    if (is_any(error.reason, "RESOURCE_QUOTA_EXCEEDED", "BILLING_DISABLED", "CONSUMER_SUSPENDED"))
        return Outcome::quota;
    if (error.reason.starts_with("API_KEY_") ||
        is_any(error.reason, "SERVICE_DISABLED", "IAM_PERMISSION_DENIED", "ACCESS_TOKEN_EXPIRED",
               "ACCESS_TOKEN_TYPE_UNSUPPORTED", "CREDENTIALS_MISSING"))
        return Outcome::credential;
    if (is_any(error.status, "UNAUTHENTICATED", "PERMISSION_DENIED"))
        return Outcome::credential;
    const int status = http_status != 0 ? http_status : error.code;
    if (status == 499) // CANCELLED: by them, not by our client
        return Outcome::transient;
    // Limits of this service that others need not have.
    if (status == 400 &&
        (error.message.starts_with("Sync input too long") ||
         error.message.contains("longer than the limit of 5000 bytes") ||
         error.message.starts_with("Voice '") || error.message.contains("sentences that are too long")))
        return Outcome::unsupported;
    return outcome_of_status(status);
}

class GoogleAdapter final : public Adapter {
  public:
    std::string unsupported(const ProviderConfig& provider, const ClientRequest& request) const override
    {
        if (request.operation == Operation::speech)
            return refuse_speech(provider, request.speech);
        if (auto reason = refuse_operation("google", request); !reason.empty())
            return reason;
        return refuse_audio(request.stt);
    }

    Result<UpstreamRequest> build(const ProviderConfig& provider, const ClientRequest& request,
                                  WallTime /*now*/) const override
    {
        if (auto reason = unsupported(provider, request); !reason.empty())
            return fail(ErrorKind::refused, std::move(reason));
        const bool speech = request.operation == Operation::speech;
        TRY_ASSIGN(auto out,
                   request_to(provider, speech, speech ? "/v1/text:synthesize" : "/v1/speech:recognize"));
        out.headers.emplace_back("Content-Type", "application/json");
        if (speech)
            out.body = speech_body(provider, request.speech);
        return out;
    }

    std::unique_ptr<BodyEncoder> encoder(const ProviderConfig& provider,
                                         const ClientRequest& request) const override
    {
        if (request.operation != Operation::transcription)
            return nullptr;
        return std::make_unique<GoogleRecognizeEncoder>(
            request.stt.audio, speech_model(provider, request.stt.model), provider.default_language);
    }

    std::unique_ptr<ResponseDecoder> decoder(const ProviderConfig& provider, const ClientRequest& request,
                                             const ResponseHead& /*head*/) const override
    {
        if (request.operation != Operation::speech) {
            auto params = request.stt;
            params.language = language_tag(params.language, provider.default_language);
            return std::make_unique<TranscriptDecoder>(std::move(params), read_google_transcript);
        }
        const auto* format = find_format(request.speech.format);
        return std::make_unique<GoogleSpeechDecoder>(
            std::string(format != nullptr ? format->content_type : "application/octet-stream"));
    }

    Classified classify(const ResponseHead& head, std::string_view body) const override
    {
        Classified out;
        out.outcome = outcome_of_status(head.status);
        if (out.outcome == Outcome::ok)
            return out;
        const auto error = read_error(body);
        out.outcome = outcome_of(head.status, error);
        out.code = safe_text(error.reason.empty() ? error.status : error.reason);
        out.message = safe_text(error.message);
        out.retry_after = retry_after(head);
        if (out.retry_after == Duration{0})
            out.retry_after = error.retry;
        if (out.message.empty())
            out.message = fmt::format("the provider answered HTTP {}", head.status);
        conceal(out);
        return out;
    }

    Result<UpstreamRequest> realtime(const ProviderConfig& /*provider*/, std::string_view /*model*/,
                                     WallTime /*now*/) const override
    {
        return no_realtime("google");
    }

    ProbeSpec probe(const ProviderConfig& provider, WallTime /*now*/) const override
    {
        ProbeSpec out;
        if (auto request = request_to(provider, true, "/v1/voices"))
            out.request = std::move(*request);
        out.request.url.query = "languageCode=en-US";
        out.request.method = "GET";
        out.request.body = "";
        return out;
    }

    std::vector<std::string> models(const ProviderConfig& provider) const override
    {
        return with_models({k_models.begin(), k_models.end()}, provider);
    }

    std::vector<std::string> voices(const ProviderConfig& provider) const override
    {
        std::vector<std::string> out;
        for (const auto& voice : k_voices)
            out.emplace_back(voice.name);
        return with_voices(std::move(out), provider);
    }

  private:
    static std::string speech_body(const ProviderConfig& provider, const SpeechParams& speech)
    {
        const auto* format = find_format(speech.format);
        Json config{{"audioEncoding", format->encoding}};
        if (speech.speed != 1.0)
            config["speakingRate"] = speech.speed;
        if (format->rate != 0)
            config["sampleRateHertz"] = format->rate;
        return dump_json({{"input", {{"text", speech.input}}},
                          {"voice", voice_of(provider, speech.voice)},
                          {"audioConfig", config}});
    }
};

} // namespace

const Adapter& google_adapter()
{
    static const GoogleAdapter adapter;
    return adapter;
}

} // namespace conduit::agent
