// SPDX-License-Identifier: Apache-2.0
// OpenAI: /v1/audio/transcriptions and /v1/audio/translations.
#include "core/text.hpp"
#include "sim/audio/audio.hpp"
#include "sim/wire/multipart.hpp"
#include "sim/wire/providers.hpp"
#include "sim/wire/transcript.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::sim {
namespace {

constexpr std::size_t k_max_upload = 26214400;
constexpr std::array<std::string_view, 10> k_extensions = {"flac", "m4a", "mp3", "mp4", "mpeg",
                                                           "mpga", "oga", "ogg", "wav", "webm"};
constexpr std::array<std::pair<std::string_view, std::string_view>, 12> k_languages = {{{"en", "english"},
                                                                                        {"de", "german"},
                                                                                        {"fr", "french"},
                                                                                        {"es", "spanish"},
                                                                                        {"it", "italian"},
                                                                                        {"pt", "portuguese"},
                                                                                        {"nl", "dutch"},
                                                                                        {"pl", "polish"},
                                                                                        {"ru", "russian"},
                                                                                        {"ja", "japanese"},
                                                                                        {"ko", "korean"},
                                                                                        {"zh", "chinese"}}};

struct Job {
    std::string model;
    std::string format;
    std::string language;
    std::string text;
    double seconds = 0;
    bool words = false;
    bool segments = false;
    bool translate = false;
    bool by_duration() const { return model.starts_with("whisper"); }
};

std::string language_name(std::string_view code)
{
    const auto* found =
        std::ranges::find(k_languages, code, &std::pair<std::string_view, std::string_view>::first);
    return std::string(found == k_languages.end() ? "english" : found->second);
}

Json usage_of(const Job& job)
{
    if (job.by_duration())
        return {{"type", "duration"}, {"seconds", static_cast<long>(std::ceil(job.seconds))}};
    const auto input = static_cast<std::size_t>(std::ceil(job.seconds * 10));
    const auto output = token_count(job.text);
    return {{"type", "tokens"},
            {"input_tokens", input},
            {"input_token_details", {{"text_tokens", 0}, {"audio_tokens", input}}},
            {"output_tokens", output},
            {"total_tokens", input + output}};
}

Json verbose_json(const Job& job)
{
    Json out{{"task", job.translate ? "translate" : "transcribe"},
             {"language", job.translate ? "english" : language_name(job.language)},
             {"duration", job.seconds},
             {"text", job.text}};
    if (job.segments) {
        auto& list = out["segments"] = Json::array();
        for (const auto& one : segments_of(job.text, job.seconds))
            list.push_back({{"id", list.size()},
                            {"seek", 0},
                            {"start", one.start},
                            {"end", one.end},
                            {"text", " " + one.text},
                            {"tokens", Json::array({50364, 440})},
                            {"temperature", 0.0},
                            {"avg_logprob", -0.28},
                            {"compression_ratio", 1.23},
                            {"no_speech_prob", 0.01}});
    }
    if (job.words) {
        auto& list = out["words"] = Json::array();
        for (const auto& one : words_of(job.text, job.seconds))
            list.push_back({{"word", one.text}, {"start", one.start}, {"end", one.end}});
    }
    out["usage"] = usage_of(job);
    return out;
}

Json diarized_segments(const Job& job)
{
    Json list = Json::array();
    for (const auto& one : segments_of(job.text, job.seconds))
        list.push_back({{"type", "transcript.text.segment"},
                        {"id", fmt::format("seg_{:03}", list.size() + 1)},
                        {"start", one.start},
                        {"end", one.end},
                        {"text", one.text},
                        {"speaker", list.size() % 2 == 0 ? "A" : "B"}});
    return list;
}

WireResponse stream(const Job& job)
{
    WireResponse response{200, {{"Content-Type", "text/event-stream; charset=utf-8"}}, {}, true, {}};
    bool first = true;
    for (const auto& word : words_of(job.text, job.seconds)) {
        response.body +=
            sse_event({{"type", "transcript.text.delta"}, {"delta", (first ? "" : " ") + word.text}});
        first = false;
    }
    if (job.format == "diarized_json") {
        for (const auto& segment : diarized_segments(job))
            response.body += sse_event(segment);
    }
    response.body +=
        sse_event({{"type", "transcript.text.done"}, {"text", job.text}, {"usage", usage_of(job)}});
    response.body += "data: [DONE]\n\n";
    return response;
}

WireResponse render(const Job& job)
{
    const auto plain = [](std::string body) {
        return WireResponse{200, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(body), false, {}};
    };
    if (job.format == "text")
        return plain(job.text + "\n");
    if (job.format == "srt")
        return plain(srt_of(segments_of(job.text, job.seconds)));
    if (job.format == "vtt")
        return plain(vtt_of(segments_of(job.text, job.seconds)));
    if (job.format == "verbose_json")
        return json_response(200, verbose_json(job));
    if (job.format == "diarized_json")
        return json_response(
            200, {{"task", "transcribe"},
                  {"duration", job.seconds},
                  {"text", job.text},
                  {"segments", diarized_segments(job)},
                  {"usage", {{"type", "duration"}, {"seconds", static_cast<long>(std::ceil(job.seconds))}}}});
    return json_response(200, {{"text", job.text}, {"usage", usage_of(job)}});
}

std::optional<WireResponse> bad_format(const Job& job)
{
    constexpr std::array<std::string_view, 6> k_formats = {"json", "text",         "srt",
                                                           "vtt",  "verbose_json", "diarized_json"};
    const auto refuse = [](std::string message) {
        return openai_error(
            {400, "invalid_request_error", std::move(message), "response_format", "unsupported_value"});
    };
    if (std::ranges::find(k_formats, job.format) == k_formats.end())
        return refuse(fmt::format("Invalid value for response_format: '{}'.", sanitize_utf8(job.format)));
    const bool diarize = job.model.contains("diarize");
    const bool simple = job.format == "json" || job.format == "text";
    if (job.format == "diarized_json" && !diarize)
        return refuse(
            fmt::format("response_format 'diarized_json' is not compatible with model '{}'.", job.model));
    if (job.model.starts_with("gpt-") && !simple && !(diarize && job.format == "diarized_json"))
        return refuse(fmt::format(
            "response_format '{}' is not compatible with model '{}'. Use 'json' or 'text' instead.",
            job.format, job.model));
    return std::nullopt;
}

std::optional<WireResponse> bad_file(const FormPart* file)
{
    const auto refuse = [](std::string message, std::string_view param, std::string_view code) {
        return openai_error({400, "invalid_request_error", std::move(message), param, code});
    };
    if (file == nullptr || !file->filename)
        return refuse("you must provide a file", "file", {});
    if (file->data.size() > k_max_upload)
        return openai_error({413,
                             "server_error",
                             fmt::format("Maximum content size limit ({}) exceeded ({} bytes read)",
                                         k_max_upload, file->data.size()),
                             {},
                             {}});
    const auto dot = file->filename->rfind('.');
    const auto extension = dot == std::string::npos ? "" : to_lower(file->filename->substr(dot + 1));
    if (std::ranges::find(k_extensions, extension) == k_extensions.end())
        return refuse("Invalid file format. Supported formats: ['flac', 'm4a', 'mp3', 'mp4', 'mpeg', 'mpga', "
                      "'oga', 'ogg', 'wav', 'webm']",
                      {}, {});
    if (file->data.empty())
        return refuse("Audio file is too short. Minimum audio length is 0.1 seconds.", "file",
                      "audio_too_short");
    return std::nullopt;
}

} // namespace

WireResponse openai_transcription(const WireRequest& request, bool translate)
{
    const auto form = Form::parse(request.header("content-type"), request.body);
    if (!form)
        return openai_error({400, "invalid_request_error", "Could not parse multipart form", {}, {}});
    const auto* file = form->find("file");
    if (auto refused = bad_file(file))
        return *std::move(refused);
    Job job;
    job.translate = translate;
    job.model = form->value("model");
    if (job.model.empty())
        return openai_error(
            {400, "invalid_request_error", "you must provide a model parameter", "model", {}});
    if (!openai_model_exists(job.model))
        return openai_no_model(job.model);
    job.format = form->value("response_format").empty() ? "json" : form->value("response_format");
    if (auto refused = bad_format(job))
        return *std::move(refused);
    const auto facts = read_audio(file->data);
    if (facts.format && facts.seconds < 0.1)
        return openai_error({400, "invalid_request_error",
                             "Audio file is too short. Minimum audio length is 0.1 seconds.", "file",
                             "audio_too_short"});
    job.language = form->value("language");
    job.text = transcript_of(file->data, facts);
    // Of containers that are not understood only the size is known: 16 kB a second.
    job.seconds = facts.format ? facts.seconds : static_cast<double>(file->data.size()) / 16000.0;
    const auto granularities = form->values("timestamp_granularities");
    job.words = std::ranges::find(granularities, "word") != granularities.end();
    job.segments =
        granularities.empty() || std::ranges::find(granularities, "segment") != granularities.end();
    if (form->value("stream") == "true" && !job.by_duration() && !translate)
        return stream(job);
    return render(job);
}

} // namespace conduit::sim
