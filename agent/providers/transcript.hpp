// SPDX-License-Identifier: Apache-2.0
// A transcript as any provider gives it, and the formats in which OpenAI's clients read it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::agent {

struct TranscriptWord {
    std::string word;
    double start = 0, end = 0; // seconds
};

struct TranscriptSegment {
    double start = 0, end = 0;
    std::string text;
    double confidence = 0; // 0: not known
};

struct Transcript {
    std::string text;
    std::string language; // as the provider names it: "en", "en-US"
    std::optional<double> duration;
    std::vector<TranscriptSegment> segments;
    std::vector<TranscriptWord> words;
};

// format: json, text, srt, vtt, verbose_json. What a provider does not tell (tokens, temperature) is empty or
// 0.
std::string render_transcript(const Transcript& transcript, std::string_view format,
                              std::span<const std::string> granularities = {});
std::string transcript_content_type(std::string_view format, bool stream);

std::string sse_delta(std::string_view text); // one event, blank line included
std::string sse_done(const Transcript& transcript);

std::string language_name(std::string_view code); // "en-US" -> "english"; unknown codes stay as they are
// "en" -> "en-US"; what has a region stays; empty -> otherwise.
std::string language_tag(std::string_view code, std::string_view otherwise);

} // namespace conduit::agent
