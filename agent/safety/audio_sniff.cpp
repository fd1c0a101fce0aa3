// SPDX-License-Identifier: Apache-2.0
#include "agent/safety/meter.hpp"

#include <array>

namespace conduit::agent {
namespace {

constexpr std::size_t k_head_bytes = 8192;

bool is_adts(std::string_view head)
{
    return head.size() >= 4 && (read_be(head, 0, 2) & 0xFFF6U) == 0xFFF0U &&
           ((read_be(head, 2, 1) >> 2U) & 0xFU) < 13;
}

} // namespace

std::string_view audio_format_name(AudioFormat format)
{
    static constexpr std::array<std::string_view, 10> names{"unknown",    "wav", "mp3",  "flac", "ogg_opus",
                                                            "ogg_vorbis", "mp4", "webm", "aac",  "amr"};
    const auto index = static_cast<std::size_t>(format);
    return index < names.size() ? names[index] : names[0];
}

AudioFormat audio_format_of(std::string_view head)
{
    if ((head.starts_with("RIFF") || head.starts_with("RF64")) && head.substr(8).starts_with("WAVE"))
        return AudioFormat::wav;
    if (head.starts_with("fLaC"))
        return AudioFormat::flac;
    if (head.starts_with("OggS")) {
        const auto packet = head.substr(std::min<std::size_t>(head.size(), 27 + read_be(head, 26, 1)));
        if (packet.starts_with("OpusHead"))
            return AudioFormat::ogg_opus;
        return packet.starts_with("\x01vorbis") ? AudioFormat::ogg_vorbis : AudioFormat::unknown;
    }
    if (head.size() >= 8 && (head.substr(4, 4) == "ftyp" || head.substr(4, 4) == "moov"))
        return AudioFormat::mp4;
    if (head.starts_with("\x1A\x45\xDF\xA3"))
        return AudioFormat::webm;
    if (head.starts_with("#!AMR\n") || head.starts_with("#!AMR-WB\n"))
        return AudioFormat::amr;
    if (head.starts_with("ID3"))
        return AudioFormat::mp3;
    if (is_adts(head))
        return AudioFormat::aac_adts;
    if (head.size() >= 4 && is_mp3_header(static_cast<std::uint32_t>(read_be(head, 0, 4))))
        return AudioFormat::mp3;
    return AudioFormat::unknown;
}

AudioInfo sniff_audio(std::string_view head)
{
    DurationMeter meter;
    meter.feed(head.substr(0, k_head_bytes));
    return meter.info();
}

} // namespace conduit::agent
