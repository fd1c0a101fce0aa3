// SPDX-License-Identifier: Apache-2.0
#include "agent/providers/google_codec.hpp"

#include "agent/providers/support.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

constexpr std::size_t k_max_answer = 16U << 20U;
constexpr std::size_t k_max_outside = 64U << 10U;

std::uint32_t opus_rate(std::uint32_t rate)
{
    constexpr std::array<std::uint32_t, 5> allowed{8000, 12000, 16000, 24000, 48000};
    return std::ranges::find(allowed, rate) != allowed.end() ? rate : 48000;
}

void add_encoding(Json& config, const AudioInfo& audio)
{
    const auto encoding = google_encoding(audio);
    if (!encoding.empty())
        config["encoding"] = encoding;
    if (encoding == "MP3")
        config["sampleRateHertz"] = audio.sample_rate != 0 ? audio.sample_rate : 44100;
    else if (encoding == "OGG_OPUS" || encoding == "WEBM_OPUS")
        config["sampleRateHertz"] = opus_rate(audio.sample_rate);
    else if (encoding == "AMR")
        config["sampleRateHertz"] = 8000;
    if (audio.channels > 1)
        config["audioChannelCount"] = audio.channels;
}

bool wants_times(const TranscriptionParams& params)
{
    return params.response_format == "verbose_json" || params.response_format == "srt" ||
           params.response_format == "vtt";
}

double seconds_of(const Json& object, std::string_view key, double otherwise)
{
    return proto_seconds(json_string_or(object, key, "")).value_or(otherwise);
}

void add_result(const Json& result, Transcript& out)
{
    const auto* alternatives = json_find(result, "alternatives");
    if (alternatives == nullptr || !alternatives->is_array() || alternatives->empty())
        return;
    const auto& best = alternatives->front();
    TranscriptSegment segment;
    segment.text = json_string_or(best, "transcript", "");
    segment.confidence = json_number_or(best, "confidence", 0);
    segment.start = out.segments.empty() ? 0 : out.segments.back().end;
    const auto* words = json_find(best, "words");
    if (words != nullptr && words->is_array()) {
        for (const auto& word : *words) {
            const double start = seconds_of(word, "startTime", 0);
            out.words.push_back(
                {json_string_or(word, "word", ""), start, seconds_of(word, "endTime", start)});
        }
        if (!words->empty())
            segment.start = seconds_of(words->front(), "startTime", segment.start);
    }
    segment.end =
        seconds_of(result, "resultEndTime", out.words.empty() ? segment.start : out.words.back().end);
    out.text += segment.text;
    if (out.language.empty())
        out.language = json_string_or(result, "languageCode", "");
    out.segments.push_back(std::move(segment));
}

std::unexpected<Error> no_audio(std::string_view body)
{
    std::string message = "the provider's answer holds no audio";
    if (const auto parsed = parse_json(body)) {
        if (const auto* error = json_find(*parsed, "error"))
            message += ": " + safe_text(json_string_or(*error, "message", "no reason given"));
    }
    return std::unexpected(
        Error{ErrorKind::failed, std::move(message)}.with_detail("body", std::string(body)));
}

} // namespace

std::string google_encoding(const AudioInfo& audio)
{
    switch (audio.format) {
    case AudioFormat::mp3:
        return "MP3";
    case AudioFormat::ogg_opus:
        return "OGG_OPUS";
    case AudioFormat::webm:
        return "WEBM_OPUS";
    case AudioFormat::amr:
        return "AMR";
    default: // WAV and FLAC tell it themselves
        return {};
    }
}

// The configuration follows the audio, so that form fields after the file count as well.
void GoogleRecognizeEncoder::finish(const TranscriptionParams& params, std::string& out)
{
    base64_.finish(out);
    Json config{{"languageCode", language_tag(params.language, default_language_)},
                {"enableAutomaticPunctuation", true}};
    add_encoding(config, audio_.format != AudioFormat::unknown ? audio_ : params.audio);
    if (!model_.empty())
        config["model"] = model_;
    if (wants_times(params))
        config["enableWordTimeOffsets"] = true;
    constexpr std::size_t longest_phrase = 100;
    if (!params.prompt.empty() && params.prompt.size() <= longest_phrase)
        config["speechContexts"] = {{{"phrases", {params.prompt}}}};
    out += "\"},\"config\":" + dump_json(config) + "}";
}

Result<Transcript> read_google_transcript(std::string_view json)
{
    TRY_ASSIGN(const auto body, parse_json(json));
    if (!body.is_object())
        return fail(ErrorKind::failed, "the provider's answer is not a JSON object");
    if (const auto* error = json_find(body, "error"))
        return fail(ErrorKind::failed,
                    "the provider answered an error: " + safe_text(json_string_or(*error, "message", "")));
    Transcript out;
    if (const auto* results = json_find(body, "results"); results != nullptr && results->is_array())
        for (const auto& result : *results)
            add_result(result, out);
    out.duration = proto_seconds(json_string_or(body, "totalBilledTime", ""));
    return out;
}

Result<> GoogleSpeechDecoder::feed(std::string_view piece, std::string& out)
{
    while (!piece.empty() && state_ != State::after) {
        if (state_ == State::content) {
            TRY(content(piece, out));
            continue;
        }
        const char c = piece.front();
        piece.remove_prefix(1);
        if (state_ == State::content_escape) {
            TRY(content_escape(c, out));
            continue;
        }
        seen_ += c;
        if (seen_.size() > k_max_outside)
            return fail(ErrorKind::failed, "the provider's answer holds no audio where it should begin");
        if (state_ == State::outside)
            TRY(outside(c));
        else
            inside_text(c);
    }
    return {};
}

Result<> GoogleSpeechDecoder::outside(char c)
{
    switch (c) {
    case '"':
        if (depth_ == 1 && key_ && token_ == "audioContent") {
            state_ = State::content;
            return {};
        }
        token_.clear();
        key_ = false;
        state_ = State::text;
        return {};
    case ':':
        key_ = true;
        return {};
    case '{':
    case '[':
        ++depth_;
        key_ = false;
        return {};
    case '}':
    case ']':
        --depth_;
        key_ = false;
        return {};
    case ',':
        key_ = false;
        return {};
    case ' ':
    case '\t':
    case '\r':
    case '\n':
        return {};
    default:
        if (depth_ <= 0)
            return fail(ErrorKind::failed, "the provider's answer is not a JSON object");
        return {};
    }
}

void GoogleSpeechDecoder::inside_text(char c)
{
    if (state_ == State::text_escape) {
        state_ = State::text;
    } else if (c == '\\') {
        state_ = State::text_escape;
    } else if (c == '"') {
        state_ = State::outside;
        return;
    }
    token_ += c;
}

Result<> GoogleSpeechDecoder::content(std::string_view& piece, std::string& out)
{
    const auto end = std::min(piece.find_first_of("\"\\"), piece.size());
    TRY(base64_.feed(piece.substr(0, end), out));
    piece.remove_prefix(end);
    if (piece.empty())
        return {};
    const bool escape = piece.front() == '\\';
    piece.remove_prefix(1);
    state_ = escape ? State::content_escape : State::after;
    return escape ? Result<>{} : base64_.finish(out);
}

// Some JSON writers escape '/', '+' and '='.
Result<> GoogleSpeechDecoder::content_escape(char c, std::string& out)
{
    escape_ += c;
    if (escape_ != "/" && escape_.size() < 5 && escape_.front() == 'u')
        return {};
    const auto escape = to_lower(std::exchange(escape_, {}));
    state_ = State::content;
    if (escape == "/" || escape == "u002f")
        return base64_.feed("/", out);
    if (escape == "u002b")
        return base64_.feed("+", out);
    if (escape == "u003d")
        return base64_.feed("=", out);
    return fail(ErrorKind::failed, "the provider sent damaged base64");
}

Result<> GoogleSpeechDecoder::finish(std::string& /*out*/)
{
    if (state_ == State::after)
        return {};
    if (state_ == State::content || state_ == State::content_escape)
        return fail(ErrorKind::failed, "the provider's answer ended in the middle of the audio");
    return no_audio(seen_);
}

Result<> TranscriptDecoder::feed(std::string_view piece, std::string& /*out*/)
{
    if (body_.size() + piece.size() > k_max_answer)
        return fail(ErrorKind::failed,
                    fmt::format("the provider's transcript is larger than {} bytes", k_max_answer));
    body_ += piece;
    return {};
}

Result<> TranscriptDecoder::finish(std::string& out)
{
    TRY_ASSIGN(transcript_, read_(body_));
    if (transcript_.language.empty())
        transcript_.language = params_.language;
    if (!params_.stream) {
        out += render_transcript(transcript_, params_.response_format, params_.granularities);
        return {};
    }
    if (!transcript_.text.empty())
        out += sse_delta(transcript_.text);
    out += sse_done(transcript_);
    return {};
}

std::string TranscriptDecoder::content_type() const
{
    return transcript_content_type(params_.response_format, params_.stream);
}

} // namespace conduit::agent
