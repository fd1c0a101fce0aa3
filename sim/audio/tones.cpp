// SPDX-License-Identifier: Apache-2.0
#include "sim/audio/tones.hpp"

#include <cmath>
#include <numbers>

namespace conduit::sim {
namespace {

constexpr std::size_t k_fewest_periods = 2; // of the lowest tone, less one

std::size_t tone_of(char character)
{
    const auto byte = static_cast<std::uint8_t>(character);
    return byte <= ' ' ? 0 : 1 + byte % (k_tones - 1);
}

} // namespace

std::vector<std::size_t> spoken_tones(std::string_view text, std::size_t frames)
{
    std::vector<std::size_t> out(frames, 0);
    for (std::size_t i = 0; i < frames && !text.empty(); ++i)
        out[i] = tone_of(text[i * text.size() / frames]);
    return out;
}

// A fundamental with two harmonics, like the samples of the uncompressed formats.
std::vector<std::int16_t> tone_samples(std::size_t tone, std::size_t frame_samples)
{
    std::vector<std::int16_t> out(frame_samples, 0);
    if (tone == 0)
        return out;
    const double step = 2 * std::numbers::pi * static_cast<double>(k_fewest_periods + tone) /
                        static_cast<double>(frame_samples);
    for (std::size_t i = 0; i < frame_samples; ++i) {
        const double phase = step * static_cast<double>(i);
        out[i] = static_cast<std::int16_t>(
            3000 * (std::sin(phase) + 0.5 * std::sin(2 * phase) + 0.25 * std::sin(3 * phase)));
    }
    return out;
}

std::vector<std::int16_t> steady_tone(std::size_t tone, std::size_t frame_samples, std::size_t count)
{
    const auto one = tone_samples(tone, frame_samples);
    std::vector<std::int16_t> out;
    out.reserve(one.size() * count);
    for (std::size_t i = 0; i < count; ++i)
        out.insert(out.end(), one.begin(), one.end());
    return out;
}

} // namespace conduit::sim
