// SPDX-License-Identifier: Apache-2.0
// The one file that names LAME.
#include "sim/audio/tones.hpp"

#include <algorithm>
#include <lame/lame.h>
#include <memory>

namespace conduit::sim {
namespace {

constexpr std::size_t k_frames = 6; // coded of each tone
constexpr std::size_t k_kept = 5;   // this one: the encoder, a frame or two late, has settled

struct Close {
    void operator()(lame_t encoder) const { lame_close(encoder); }
};
using Encoder = std::unique_ptr<lame_global_flags, Close>;

Encoder open(std::uint32_t rate, std::uint32_t kbps)
{
    Encoder encoder(lame_init());
    if (!encoder)
        return nullptr;
    lame_set_in_samplerate(encoder.get(), static_cast<int>(rate));
    lame_set_out_samplerate(encoder.get(), static_cast<int>(rate));
    lame_set_num_channels(encoder.get(), 1);
    lame_set_mode(encoder.get(), MONO);
    lame_set_brate(encoder.get(), static_cast<int>(kbps));
    lame_set_quality(encoder.get(), 9);
    lame_set_bWriteVbrTag(encoder.get(), 0);
    // Each frame holds all of its bits, so that it can stand anywhere.
    lame_set_disable_reservoir(encoder.get(), 1);
    return lame_init_params(encoder.get()) < 0 ? nullptr : std::move(encoder);
}

bool is_header(std::string_view bytes, std::size_t at)
{
    return at + 1 < bytes.size() && bytes[at] == '\xff' &&
           (static_cast<std::uint8_t>(bytes[at + 1]) & 0xe0U) == 0xe0U;
}

// One frame of each tone; `size` is that of all frames, but for those with a byte of padding.
Tones pick(std::string_view bytes, std::size_t size)
{
    Tones tones;
    std::size_t at = 0;
    for (std::size_t i = 0; i < k_tones * k_frames; ++i) {
        if (!is_header(bytes, at))
            return {};
        const std::size_t padded = size + ((static_cast<std::uint8_t>(bytes[at + 2]) >> 1U) & 1U);
        if (i % k_frames == k_kept)
            tones.at(i / k_frames) = bytes.substr(at, padded);
        at += padded;
    }
    return tones;
}

} // namespace

Tones code_mp3_tones(std::uint32_t rate, std::uint32_t kbps, std::size_t frame_samples)
{
    const auto encoder = open(rate, kbps);
    if (!encoder)
        return {};
    std::vector<std::int16_t> samples;
    for (std::size_t tone = 0; tone < k_tones; ++tone) {
        const auto steady = steady_tone(tone, frame_samples, k_frames);
        samples.insert(samples.end(), steady.begin(), steady.end());
    }
    std::string out(samples.size() * 2 + 7200, '\0'); // what LAME asks for, and more
    auto* bytes = reinterpret_cast<unsigned char*>(out.data());
    const auto written =
        lame_encode_buffer(encoder.get(), samples.data(), nullptr, static_cast<int>(samples.size()), bytes,
                           static_cast<int>(out.size()));
    if (written < 0)
        return {};
    const auto flushed =
        lame_encode_flush(encoder.get(), bytes + written, static_cast<int>(out.size()) - written);
    out.resize(static_cast<std::size_t>(written + std::max(flushed, 0)));
    return pick(out, frame_samples / 8 * kbps * 1000 / rate);
}

} // namespace conduit::sim
