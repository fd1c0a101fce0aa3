// SPDX-License-Identifier: Apache-2.0
// The one file that names libopus.
#include "sim/audio/tones.hpp"

#include <memory>
#include <opus/opus.h>

namespace conduit::sim {
namespace {

constexpr int k_rate = 48000;
constexpr std::size_t k_frame_samples = 960;
constexpr std::size_t k_frames = 6;    // coded of each tone; the last is kept, when the encoder has settled
constexpr std::size_t k_longest = 250; // one lacing value in an Ogg page

struct Close {
    void operator()(OpusEncoder* encoder) const { opus_encoder_destroy(encoder); }
};
using Encoder = std::unique_ptr<OpusEncoder, Close>;

Encoder open()
{
    int error = OPUS_OK;
    // CELT alone and without prediction: each packet stands for itself.
    Encoder encoder(opus_encoder_create(k_rate, 1, OPUS_APPLICATION_RESTRICTED_LOWDELAY, &error));
    if (error != OPUS_OK)
        return nullptr;
    opus_encoder_ctl(encoder.get(), OPUS_SET_BITRATE(32000));
    opus_encoder_ctl(encoder.get(), OPUS_SET_PREDICTION_DISABLED(1));
    return encoder;
}

} // namespace

Tones code_opus_tones()
{
    Tones tones;
    const auto encoder = open();
    for (std::size_t tone = 0; tone < k_tones; ++tone) {
        const auto samples = tone_samples(tone, k_frame_samples);
        for (std::size_t i = 0; encoder && i < k_frames; ++i) {
            std::string packet(k_longest, '\0');
            const auto size = opus_encode(encoder.get(), samples.data(), static_cast<int>(k_frame_samples),
                                          reinterpret_cast<unsigned char*>(packet.data()),
                                          static_cast<opus_int32>(packet.size()));
            packet.resize(static_cast<std::size_t>(size > 0 ? size : 0));
            tones.at(tone) = std::move(packet);
        }
    }
    return tones;
}

} // namespace conduit::sim
