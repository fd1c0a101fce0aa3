// SPDX-License-Identifier: Apache-2.0
#include "sim/wire/transcript.hpp"

#include <cmath>
#include <fmt/format.h>
#include <utility>

namespace conduit::sim {
namespace {

std::string stamp(double seconds, char separator)
{
    const auto total = static_cast<long>(std::llround(seconds * 1000));
    return fmt::format("{:02}:{:02}:{:02}{}{:03}", total / 3600000, total / 60000 % 60, total / 1000 % 60,
                       separator, total % 1000);
}

bool ends_sentence(const std::string& word)
{
    return word.ends_with('.') || word.ends_with('!') || word.ends_with('?');
}

double rounded(double value)
{
    return std::round(value * 100) / 100;
}

} // namespace

std::vector<Span> words_of(std::string_view text, double seconds)
{
    std::vector<Span> words;
    std::string word;
    const auto flush = [&] {
        if (!word.empty())
            words.push_back({0, 0, std::exchange(word, {})});
    };
    for (const char c : text) {
        if (c == ' ' || c == '\n' || c == '\t' || c == '\r')
            flush();
        else
            word += c;
    }
    flush();
    const auto each = words.empty() ? 0 : seconds / static_cast<double>(words.size());
    for (std::size_t i = 0; i < words.size(); ++i) {
        words[i].start = rounded(each * static_cast<double>(i));
        words[i].end = rounded(each * static_cast<double>(i + 1));
    }
    return words;
}

std::vector<Span> segments_of(std::string_view text, double seconds)
{
    std::vector<Span> segments;
    bool open = false;
    for (const auto& word : words_of(text, seconds)) {
        if (!open)
            segments.push_back({word.start, word.end, word.text});
        else
            segments.back().text += " " + word.text;
        segments.back().end = word.end;
        open = !ends_sentence(word.text);
    }
    return segments;
}

std::string srt_of(const std::vector<Span>& segments)
{
    std::string out;
    for (std::size_t i = 0; i < segments.size(); ++i)
        out += fmt::format("{}\n{} --> {}\n{}\n\n", i + 1, stamp(segments[i].start, ','),
                           stamp(segments[i].end, ','), segments[i].text);
    return out;
}

std::string vtt_of(const std::vector<Span>& segments)
{
    std::string out = "WEBVTT\n\n";
    for (const auto& segment : segments)
        out += fmt::format("{} --> {}\n{}\n\n", stamp(segment.start, '.'), stamp(segment.end, '.'),
                           segment.text);
    return out;
}

std::size_t token_count(std::string_view text)
{
    return (text.size() + 3) / 4;
}

} // namespace conduit::sim
