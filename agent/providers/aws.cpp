// SPDX-License-Identifier: Apache-2.0
// Amazon: Polly over its signed REST call, Transcribe over its presigned WebSocket.
#include "agent/providers/adapters.hpp"
#include "agent/providers/aws_codec.hpp"
#include "agent/providers/aws_error.hpp"
#include "agent/providers/request.hpp"
#include "agent/providers/support.hpp"
#include "core/sigv4.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

constexpr std::size_t k_max_characters = 3000;
constexpr double k_max_rate = 2.0;
constexpr std::uint32_t k_pcm_rate = 16000;
constexpr std::uint32_t k_min_sample_rate = 8000, k_max_sample_rate = 48000;
constexpr Duration k_presigned_for{300'000};

struct Format {
    std::string_view name, own, content_type;
};
constexpr std::array k_formats{Format{"mp3", "mp3", "audio/mpeg"}, Format{"opus", "ogg_opus", "audio/opus"},
                               Format{"wav", "pcm", "audio/wav"}};
constexpr std::array<std::string_view, 4> k_engines{"standard", "neural", "long-form", "generative"};

struct Voice {
    std::string_view name, own;
};
constexpr std::array k_voices{
    Voice{"alloy", "Joanna"}, Voice{"ash", "Matthew"}, Voice{"ballad", "Brian"}, Voice{"coral", "Amy"},
    Voice{"echo", "Brian"},   Voice{"fable", "Brian"}, Voice{"onyx", "Matthew"}, Voice{"nova", "Joanna"},
    Voice{"sage", "Joanna"},  Voice{"shimmer", "Amy"}, Voice{"verse", "Brian"},  Voice{"marin", "Amy"},
    Voice{"cedar", "Brian"},
};

const Format* find_format(std::string_view name)
{
    const auto it = std::ranges::find(k_formats, name, &Format::name);
    return it == k_formats.end() ? nullptr : &*it;
}

// "" when the voice means nothing to Polly. Its own names are capitalised words.
std::string voice_of(const ProviderConfig& provider, const std::string& voice)
{
    if (const auto mapped = provider.voices.find(voice); mapped != provider.voices.end())
        return mapped->second;
    const auto known = std::ranges::find(k_voices, voice, &Voice::name);
    if (known != k_voices.end())
        return std::string(known->own);
    const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    const bool own = voice.size() >= 3 && voice.size() <= 20 && voice[0] >= 'A' && voice[0] <= 'Z' &&
                     std::ranges::all_of(voice, letter);
    return own ? voice : std::string();
}

std::string region_of(const ProviderConfig& provider)
{
    return provider.region.empty() ? "us-east-1" : provider.region;
}

// Characters that XML has no place for become blanks: they are not spoken anyway.
std::string xml_text(std::string_view text)
{
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' && c != '\r')
            out += ' ';
        else
            out += c;
    }
    return out;
}

std::string speech_body(const ProviderConfig& provider, const SpeechParams& speech)
{
    Json body;
    const auto model = model_for(provider, Operation::speech, {});
    const auto& engine = std::ranges::find(k_engines, speech.model) != k_engines.end() ? speech.model : model;
    if (std::ranges::find(k_engines, engine) != k_engines.end())
        body["Engine"] = engine;
    const auto* format = find_format(speech.format);
    body["OutputFormat"] = format->own;
    if (format->own == "pcm")
        body["SampleRate"] = fmt::to_string(k_pcm_rate);
    if (speech.speed == 1.0) {
        body["Text"] = speech.input;
    } else {
        body["Text"] = fmt::format("<speak><prosody rate=\"{}%\">{}</prosody></speak>",
                                   std::lround(speech.speed * 100), xml_text(speech.input));
        body["TextType"] = "ssml";
    }
    body["VoiceId"] = voice_of(provider, speech.voice);
    return dump_json(body);
}

std::string refuse_speech(const ProviderConfig& provider, const SpeechParams& speech)
{
    if (speech.format == "pcm")
        return "pcm at 24 kHz is not offered by aws";
    if (find_format(speech.format) == nullptr)
        return fmt::format("{} is not offered by aws", speech.format);
    if (speech.speed > k_max_rate)
        return fmt::format("speed above {} is not offered by aws", k_max_rate);
    if (speech.stream_format != "audio")
        return "speech as events is not offered by aws";
    if (utf8_characters(speech.input) > k_max_characters)
        return fmt::format("text of more than {} characters is not accepted by aws", k_max_characters);
    if (voice_of(provider, speech.voice).empty())
        return fmt::format("voice '{}' is not offered by aws", printable(speech.voice.substr(0, 64)));
    return {};
}

std::string_view media_encoding(const AudioInfo& audio)
{
    switch (audio.format) {
    case AudioFormat::wav:
        return "pcm";
    case AudioFormat::flac:
        return "flac";
    case AudioFormat::ogg_opus:
        return "ogg-opus";
    default:
        return {};
    }
}

std::uint32_t sample_rate(const AudioInfo& audio)
{
    const bool usable = audio.sample_rate >= k_min_sample_rate && audio.sample_rate <= k_max_sample_rate;
    if (usable)
        return audio.sample_rate;
    return audio.format == AudioFormat::ogg_opus ? k_max_sample_rate : 0;
}

std::string refuse_audio(const AudioInfo& audio)
{
    if (media_encoding(audio).empty())
        return "audio other than wav, flac and ogg opus is not accepted by aws";
    if (audio.format == AudioFormat::wav && (audio.bits != 16 || audio.data_offset == 0))
        return "wav other than 16-bit pcm is not accepted by aws";
    if (audio.format != AudioFormat::ogg_opus && audio.channels > 1)
        return "audio of more than one channel is not accepted by aws";
    if (sample_rate(audio) == 0)
        return "audio outside of 8 to 48 kHz is not accepted by aws";
    return {};
}

Result<UpstreamRequest> polly(const ProviderConfig& provider, std::string method, std::string_view path,
                              std::string query, std::string body, WallTime now)
{
    const auto region = region_of(provider);
    TRY_ASSIGN(auto url, base_url(provider, "polly", fmt::format("https://polly.{}.amazonaws.com", region)));
    UpstreamRequest out;
    url.path += path;
    url.query = std::move(query);
    SigV4Request signable{method, url.path, url.query, {{"host", url.authority()}}, sha256_hex(body)};
    if (!body.empty()) {
        signable.headers.emplace_back("content-type", "application/json");
        out.headers.emplace_back("Content-Type", "application/json");
    }
    auto made =
        sign_request({provider.access_key, provider.secret_key, {}}, {region, "polly"}, now, signable);
    for (auto& entry : made.headers)
        out.headers.push_back(std::move(entry));
    out.headers.emplace_back("User-Agent", k_user_agent);
    out.method = std::move(method);
    out.url = std::move(url);
    out.body = std::move(body);
    return out;
}

Result<UpstreamRequest> transcribe(const ProviderConfig& provider, const TranscriptionParams& stt,
                                   WallTime now)
{
    const auto region = region_of(provider);
    TRY_ASSIGN(auto url, base_url(provider, "transcribe_streaming",
                                  fmt::format("wss://transcribestreaming.{}.amazonaws.com:8443", region)));
    url.scheme = url.tls() ? "wss" : "ws";
    url.path += "/stream-transcription-websocket";
    url.query = query_string({{"language-code", language_tag(stt.language, provider.default_language)},
                              {"media-encoding", std::string(media_encoding(stt.audio))},
                              {"sample-rate", fmt::to_string(sample_rate(stt.audio))}});
    url.query = presign({provider.access_key, provider.secret_key, {}}, {region, "transcribe"}, now,
                        k_presigned_for, url)
                    .query;
    UpstreamRequest out;
    out.transport = Transport::websocket;
    out.method = "GET";
    out.url = std::move(url);
    out.headers.emplace_back("User-Agent", k_user_agent);
    return out;
}

class AwsAdapter final : public Adapter {
  public:
    std::string unsupported(const ProviderConfig& provider, const ClientRequest& request) const override
    {
        if (request.operation == Operation::speech)
            return refuse_speech(provider, request.speech);
        if (auto reason = refuse_operation("aws", request); !reason.empty())
            return reason;
        return refuse_audio(request.stt.audio);
    }

    Result<UpstreamRequest> build(const ProviderConfig& provider, const ClientRequest& request,
                                  WallTime now) const override
    {
        if (auto reason = unsupported(provider, request); !reason.empty())
            return fail(ErrorKind::refused, std::move(reason));
        if (request.operation == Operation::speech)
            return polly(provider, "POST", "/v1/speech", {}, speech_body(provider, request.speech), now);
        return transcribe(provider, request.stt, now);
    }

    std::unique_ptr<BodyEncoder> encoder(const ProviderConfig& /*provider*/,
                                         const ClientRequest& request) const override
    {
        if (request.operation != Operation::transcription)
            return nullptr;
        return std::make_unique<TranscribeEncoder>(request.stt.audio);
    }

    std::unique_ptr<ResponseDecoder> decoder(const ProviderConfig& provider, const ClientRequest& request,
                                             const ResponseHead& /*head*/) const override
    {
        if (request.operation == Operation::speech) {
            const auto* format = find_format(request.speech.format);
            if (format == nullptr || format->name == "mp3")
                return nullptr;
            return std::make_unique<PrefixDecoder>(std::string(format->content_type),
                                                   format->own == "pcm" ? streaming_wav_header(k_pcm_rate, 1)
                                                                        : std::string());
        }
        auto params = request.stt;
        params.language = language_tag(params.language, provider.default_language);
        return std::make_unique<TranscribeDecoder>(std::move(params));
    }

    Classified classify(const ResponseHead& head, std::string_view body) const override
    {
        return classify_aws(head, body);
    }

    Result<UpstreamRequest> realtime(const ProviderConfig& /*provider*/, std::string_view /*model*/,
                                     WallTime /*now*/) const override
    {
        return no_realtime("aws");
    }

    ProbeSpec probe(const ProviderConfig& provider, WallTime now) const override
    {
        ProbeSpec out;
        out.request.method = "GET";
        if (auto request = polly(provider, "GET", "/v1/voices", "LanguageCode=en-US", {}, now))
            out.request = std::move(*request);
        return out;
    }

    std::vector<std::string> models(const ProviderConfig& provider) const override
    {
        return with_models({k_engines.begin(), k_engines.end()}, provider);
    }

    std::vector<std::string> voices(const ProviderConfig& provider) const override
    {
        std::vector<std::string> out;
        for (const auto& voice : k_voices)
            out.emplace_back(voice.name);
        return with_voices(std::move(out), provider);
    }
};

} // namespace

const Adapter& aws_adapter()
{
    static const AwsAdapter adapter;
    return adapter;
}

} // namespace conduit::agent
