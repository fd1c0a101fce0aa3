// SPDX-License-Identifier: Apache-2.0
#include "agent/providers/transcript.hpp"

#include "core/json.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

double believable(double seconds)
{
    constexpr double longest = 359999.0; // 99:59:59
    return std::isfinite(seconds) ? std::clamp(seconds, 0.0, longest) : 0.0;
}

std::string timestamp(double seconds, char separator)
{
    const auto ms = std::llround(believable(seconds) * 1000);
    return fmt::format("{:02}:{:02}:{:02}{}{:03}", ms / 3'600'000, ms / 60'000 % 60, ms / 1000 % 60,
                       separator, ms % 1000);
}

// A subtitle's text stands on one line: a blank line would end it, an arrow would look like a time.
std::string cue_text(std::string_view text)
{
    std::string out(trim(text));
    std::ranges::replace(out, '\n', ' ');
    std::ranges::replace(out, '\r', ' ');
    return replace_all(std::move(out), "-->", "->");
}

std::vector<TranscriptSegment> segments_of(const Transcript& transcript)
{
    if (!transcript.segments.empty() || trim(transcript.text).empty())
        return transcript.segments;
    double end = transcript.duration.value_or(0);
    if (!transcript.words.empty())
        end = std::max(end, transcript.words.back().end);
    return {{0, end, transcript.text, 0}};
}

std::string subtitles(const Transcript& transcript, bool vtt)
{
    std::string out = vtt ? "WEBVTT\n\n" : "";
    int number = 0;
    for (const auto& segment : segments_of(transcript)) {
        const auto text = cue_text(segment.text);
        if (text.empty())
            continue;
        if (!vtt)
            out += fmt::format("{}\n", ++number);
        const char separator = vtt ? '.' : ',';
        out += fmt::format("{} --> {}\n{}\n\n", timestamp(segment.start, separator),
                           timestamp(segment.end, separator), text);
    }
    return out;
}

void add_usage(Json& body, const Transcript& transcript)
{
    if (transcript.duration)
        body["usage"] = {{"type", "duration"},
                         {"seconds", static_cast<std::int64_t>(std::ceil(believable(*transcript.duration)))}};
}

Json segment_json(const TranscriptSegment& segment, std::size_t id)
{
    const bool known = segment.confidence > 0 && segment.confidence <= 1;
    return {{"id", id},
            {"seek", 0},
            {"start", believable(segment.start)},
            {"end", believable(segment.end)},
            {"text", segment.text},
            {"tokens", Json::array()},
            {"temperature", 0.0},
            {"avg_logprob", known ? std::log(segment.confidence) : 0.0},
            {"compression_ratio", 0.0},
            {"no_speech_prob", 0.0}};
}

std::string verbose(const Transcript& transcript, std::span<const std::string> granularities)
{
    const auto wants = [&](std::string_view what) {
        return std::ranges::find(granularities, what) != granularities.end();
    };
    Json body{{"task", "transcribe"},
              {"language", language_name(transcript.language)},
              {"duration", believable(transcript.duration.value_or(0))},
              {"text", transcript.text}};
    if (granularities.empty() || wants("segment")) {
        body["segments"] = Json::array();
        for (const auto& segment : segments_of(transcript))
            body["segments"].push_back(segment_json(segment, body["segments"].size()));
    }
    if (wants("word")) {
        body["words"] = Json::array();
        for (const auto& word : transcript.words)
            body["words"].push_back(
                {{"word", word.word}, {"start", believable(word.start)}, {"end", believable(word.end)}});
    }
    add_usage(body, transcript);
    return dump_json(body);
}

} // namespace

std::string render_transcript(const Transcript& transcript, std::string_view format,
                              std::span<const std::string> granularities)
{
    if (format == "text")
        return transcript.text + "\n";
    if (format == "srt" || format == "vtt")
        return subtitles(transcript, format == "vtt");
    if (format == "verbose_json")
        return verbose(transcript, granularities);
    Json body{{"text", transcript.text}};
    add_usage(body, transcript);
    return dump_json(body);
}

std::string transcript_content_type(std::string_view format, bool stream)
{
    if (stream)
        return "text/event-stream; charset=utf-8";
    if (format == "text" || format == "srt" || format == "vtt")
        return "text/plain; charset=utf-8";
    return "application/json";
}

std::string sse_delta(std::string_view text)
{
    return fmt::format("data: {}\n\n", dump_json({{"type", "transcript.text.delta"}, {"delta", text}}));
}

std::string sse_done(const Transcript& transcript)
{
    Json body{{"type", "transcript.text.done"}, {"text", transcript.text}};
    add_usage(body, transcript);
    return fmt::format("data: {}\n\n", dump_json(body));
}

} // namespace conduit::agent
