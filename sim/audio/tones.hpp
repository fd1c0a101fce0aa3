// SPDX-License-Identifier: Apache-2.0
// The voice of the compressed formats: steady tones, each coded once by a real encoder. A tone has a whole
// number of periods in a frame, so the same frame over and over is that tone, and an answer is frames in a
// row instead of a coding of its own: a request must cost the simulator next to nothing.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::sim {

inline constexpr std::size_t k_tones = 17;      // the first is silence
using Tones = std::array<std::string, k_tones>; // one coded frame each

// Which tone each of `frames` frames has: spaces are silent, characters spread evenly.
std::vector<std::size_t> spoken_tones(std::string_view text, std::size_t frames);
// One frame of a tone, 16 bit.
std::vector<std::int16_t> tone_samples(std::size_t tone, std::size_t frame_samples);
// `count` frames of a tone one after the other, for an encoder to settle.
std::vector<std::int16_t> steady_tone(std::size_t tone, std::size_t frame_samples, std::size_t count);

// rate and kbps must be ones that MP3 has. Empty frames where the encoder refuses.
Tones code_mp3_tones(std::uint32_t rate, std::uint32_t kbps, std::size_t frame_samples);
Tones code_aac_tones(std::uint32_t rate); // with their ADTS headers
Tones code_opus_tones();                  // packets of 20 ms at 48 kHz, mono

} // namespace conduit::sim
