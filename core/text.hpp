// SPDX-License-Identifier: Apache-2.0
// Small pure helpers on text: splitting, case, encodings, nearest names.
#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace conduit {

std::vector<std::string> split(std::string_view text, char separator); // "a,,b" -> {"a","","b"}; "" -> {}
std::string_view trim(std::string_view text);                          // blanks, tabs, CR, LF at both ends
std::string join(std::span<const std::string> parts, std::string_view separator);
std::string to_lower(std::string_view text); // ASCII only
std::string to_upper(std::string_view text);
bool iequals(std::string_view a, std::string_view b); // ASCII case folded
std::string replace_all(std::string text, std::string_view from, std::string_view to);

std::string hex_encode(std::span<const std::uint8_t> bytes);
Result<std::vector<std::uint8_t>> hex_decode(std::string_view text);
std::string base64_encode(std::string_view bytes);
Result<std::string> base64_decode(std::string_view text); // standard alphabet, padding required
// RFC 3986: everything but A-Za-z0-9-_.~ becomes %XX; keep lists further characters that stay.
std::string percent_encode(std::string_view text, std::string_view keep = {});
Result<std::string> percent_decode(std::string_view text);

bool is_valid_utf8(std::string_view text);
std::string sanitize_utf8(std::string_view text); // broken sequences become U+FFFD
// Control characters (terminal escapes among them) shown as \xNN, so that foreign text is safe to print.
std::string printable(std::string_view text);

std::size_t edit_distance(std::string_view a, std::string_view b); // Damerau-Levenshtein (adjacent swaps)
// At most three candidates close enough to be meant, nearest first.
std::vector<std::string> nearest(std::string_view wanted, std::span<const std::string> candidates);
// "unknown provider 'opnai'; did you mean openai?"
std::string unknown_name(std::string_view what, std::string_view wanted,
                         std::span<const std::string> candidates);

// Equal length-independent of content; for tokens and digests.
bool constant_time_equal(std::string_view a, std::string_view b);

} // namespace conduit
