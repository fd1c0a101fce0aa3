// SPDX-License-Identifier: Apache-2.0
// A transcript cut into words and segments with times, spread evenly over the audio.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace conduit::sim {

struct Span {
    double start = 0;
    double end = 0;
    std::string text;
};

std::vector<Span> words_of(std::string_view text, double seconds);
std::vector<Span> segments_of(std::string_view text, double seconds); // a sentence each
std::string srt_of(const std::vector<Span>& segments);
std::string vtt_of(const std::vector<Span>& segments);
std::size_t token_count(std::string_view text); // about four characters a token

} // namespace conduit::sim
