// SPDX-License-Identifier: Apache-2.0
// One writer and one reader for each container. Readers take untrusted bytes and never fail: what they cannot
// find stays empty.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace conduit::sim {

struct Found {
    std::optional<std::string> text;
    double seconds = 0;
};

// Samples whose lowest bits carry the text: a mark, a length, the bytes, a checksum.
std::string make_pcm(std::string_view text, std::uint64_t samples,
                     std::uint32_t rate); // 16-bit little-endian
std::string make_companded(std::string_view text, std::uint64_t samples, std::uint32_t rate, bool mulaw);
// stride: bytes from one sample to the next; the lowest bit of each sample's first byte counts.
std::optional<std::string> hidden_text(std::string_view samples, std::size_t stride);

// tag 1: 16-bit PCM, 6: A-law, 7: mu-law.
std::string make_wav(std::string_view text, std::string_view samples, std::uint32_t rate, std::uint16_t tag);
Found read_wav(std::string_view bytes);

std::string make_id3(std::string_view text);
std::string make_mp3(std::string_view text, double seconds, std::uint32_t rate, std::uint32_t kbps);
std::string make_aac(std::string_view text, double seconds, std::uint32_t rate);
Found read_mp3(std::string_view bytes);
Found read_aac(std::string_view bytes);
std::optional<std::string> id3_text(std::string_view bytes);
std::size_t id3_size(std::string_view bytes); // 0 when there is no tag

std::string make_flac(std::string_view text, std::uint64_t samples, std::uint32_t rate);
Found read_flac(std::string_view bytes);

std::string make_opus(std::string_view text, double seconds, std::uint32_t input_rate);
Found read_opus(std::string_view bytes);

// Vorbis comments, which FLAC and Opus share.
std::string make_comments(std::string_view text);
std::optional<std::string> comment_text(std::string_view block);

} // namespace conduit::sim
