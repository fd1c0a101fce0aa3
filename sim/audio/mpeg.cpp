// SPDX-License-Identifier: Apache-2.0
// MP3 and ADTS AAC: frames of tones behind an ID3v2.4 tag that holds the text.
#include "core/text.hpp"
#include "sim/audio/bytes.hpp"
#include "sim/audio/containers.hpp"
#include "sim/audio/tones.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace conduit::sim {
namespace {

constexpr std::string_view k_description = "conduit-text";
constexpr std::array<std::uint32_t, 15> k_kbps_v1 = {0,   32,  40,  48,  56,  64,  80, 96,
                                                     112, 128, 160, 192, 224, 256, 320};
constexpr std::array<std::uint32_t, 15> k_kbps_v2 = {0,  8,  16, 24,  32,  40,  48, 56,
                                                     64, 80, 96, 112, 128, 144, 160};
constexpr std::array<std::uint32_t, 3> k_rates = {44100, 48000, 32000};
constexpr std::array<std::uint32_t, 13> k_aac_rates = {96000, 88200, 64000, 48000, 44100, 32000, 24000,
                                                       22050, 16000, 12000, 11025, 8000,  7350};
constexpr std::uint32_t k_usual_rate = 24000;

void put_syncsafe(std::string& out, std::size_t value)
{
    for (const unsigned shift : {21U, 14U, 7U, 0U})
        out += static_cast<char>((value >> shift) & 0x7fU);
}

std::size_t get_syncsafe(std::string_view bytes, std::size_t at)
{
    std::size_t value = 0;
    for (std::size_t i = 0; i < 4; ++i)
        value = (value << 7U) | (get_be(bytes, at + i, 1) & 0x7fU);
    return value;
}

struct Mp3Frame {
    std::uint32_t rate = 0;
    std::uint32_t samples = 0;
    std::size_t size = 0; // 0: no frame
};

Mp3Frame parse_mp3_header(std::uint64_t header)
{
    const auto version = (header >> 19U) & 3U; // 3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5
    const auto bitrate = (header >> 12U) & 15U;
    const auto rate_index = (header >> 10U) & 3U;
    if ((header >> 21U) != 0x7ffU || version == 1 || ((header >> 17U) & 3U) != 1 || bitrate == 0 ||
        bitrate == 15 || rate_index == 3)
        return {};
    Mp3Frame frame;
    frame.rate = k_rates[rate_index] >> (version == 3 ? 0U : version == 2 ? 1U : 2U);
    frame.samples = version == 3 ? 1152 : 576;
    const auto kbps = version == 3 ? k_kbps_v1[bitrate] : k_kbps_v2[bitrate];
    frame.size = frame.samples / 8 * kbps * 1000 / frame.rate + ((header >> 9U) & 1U);
    return frame;
}

// The header of a mono frame without padding; the nearest rate and bit rate that exist.
std::uint64_t mp3_header(std::uint32_t rate, std::uint32_t kbps)
{
    std::uint64_t best = 0;
    std::uint32_t best_distance = ~0U;
    for (const std::uint64_t version : {3U, 2U, 0U}) {
        for (std::uint64_t index = 0; index < k_rates.size(); ++index) {
            const auto has = k_rates[index] >> (version == 3 ? 0U : version == 2 ? 1U : 2U);
            const auto distance = has > rate ? has - rate : rate - has;
            if (distance < best_distance) {
                best_distance = distance;
                best = (version << 19U) | (index << 10U);
            }
        }
    }
    const auto& table = ((best >> 19U) & 3U) == 3 ? k_kbps_v1 : k_kbps_v2;
    const auto* found = std::lower_bound(table.begin() + 1, table.end() - 1, kbps);
    const auto bitrate = static_cast<std::uint64_t>(found - table.begin());
    return 0xffe20000U | 0x10000U | best | (bitrate << 12U) | 0xc0U;
}

std::uint32_t mp3_kbps(std::uint64_t header)
{
    const auto& table = ((header >> 19U) & 3U) == 3 ? k_kbps_v1 : k_kbps_v2;
    return table.at((header >> 12U) & 15U);
}

std::string speak(std::string_view text, const Tones& tones, std::size_t frames)
{
    auto out = make_id3(text);
    out.reserve(out.size() + frames * (tones.front().size() + 8));
    for (const auto tone : spoken_tones(text, frames))
        out += tones.at(tone);
    return out;
}

} // namespace

std::string make_id3(std::string_view text)
{
    std::string frame = "TXXX";
    put_syncsafe(frame, 1 + k_description.size() + 1 + text.size());
    frame += std::string_view{"\0\0\3", 3}; // no flags, UTF-8
    frame += k_description;
    frame += '\0';
    frame += text;
    std::string tag{"ID3\4\0\0", 6};
    put_syncsafe(tag, frame.size());
    return tag + frame;
}

std::size_t id3_size(std::string_view bytes)
{
    return bytes.size() >= 10 && bytes.starts_with("ID3") ? 10 + get_syncsafe(bytes, 6) : 0;
}

std::optional<std::string> id3_text(std::string_view bytes)
{
    const auto tag = bytes.substr(0, id3_size(bytes));
    for (std::size_t at = 10; at + 10 < tag.size();) {
        const auto size = get_syncsafe(tag, at + 4);
        const auto body = tag.substr(at + 10, size);
        if (tag.substr(at, 4) == "TXXX" && body.size() > k_description.size() + 1 && body[0] == '\3' &&
            body.substr(1, k_description.size()) == k_description && body[k_description.size() + 1] == '\0') {
            const auto text = body.substr(k_description.size() + 2);
            if (is_valid_utf8(text))
                return std::string(text);
        }
        at += 10 + size;
    }
    return std::nullopt;
}

// The tones of what the providers answer by default are coded once, at the first answer; others each time.
std::string make_mp3(std::string_view text, double seconds, std::uint32_t rate, std::uint32_t kbps)
{
    const auto header = mp3_header(rate, kbps);
    const auto frame = parse_mp3_header(header);
    const auto count = static_cast<std::size_t>(std::ceil(seconds * frame.rate / frame.samples));
    const auto coded_kbps = mp3_kbps(header);
    if (frame.rate == k_usual_rate && coded_kbps == 64) {
        static const auto k_openai = code_mp3_tones(k_usual_rate, 64, 576);
        return speak(text, k_openai, count);
    }
    if (frame.rate == k_usual_rate && coded_kbps == 32) {
        static const auto k_google = code_mp3_tones(k_usual_rate, 32, 576);
        return speak(text, k_google, count);
    }
    return speak(text, code_mp3_tones(frame.rate, coded_kbps, frame.samples), count);
}

std::string make_aac(std::string_view text, double seconds, std::uint32_t rate)
{
    const bool known = std::ranges::find(k_aac_rates, rate) != k_aac_rates.end();
    const auto count = [&](std::uint32_t coded) {
        return static_cast<std::size_t>(std::ceil(seconds * coded / 1024));
    };
    if (known && rate != k_usual_rate)
        return speak(text, code_aac_tones(rate), count(rate));
    static const auto k_usual = code_aac_tones(k_usual_rate);
    return speak(text, k_usual, count(k_usual_rate));
}

Found read_mp3(std::string_view bytes)
{
    Found found{id3_text(bytes), 0};
    for (auto at = id3_size(bytes); at + 4 <= bytes.size();) {
        const auto frame = parse_mp3_header(get_be(bytes, at, 4));
        if (frame.size == 0) {
            ++at;
            continue;
        }
        found.seconds += static_cast<double>(frame.samples) / frame.rate;
        at += frame.size;
    }
    return found;
}

Found read_aac(std::string_view bytes)
{
    Found found{id3_text(bytes), 0};
    for (auto at = id3_size(bytes); at + 7 <= bytes.size();) {
        const auto index = (get_be(bytes, at + 2, 1) >> 2U) & 15U;
        const std::size_t size = (get_be(bytes, at + 3, 3) >> 5U) & 0x1fffU;
        if ((get_be(bytes, at, 2) & 0xfff6U) != 0xfff0U || index >= k_aac_rates.size() || size < 7)
            break;
        found.seconds += 1024.0 / k_aac_rates[index];
        at += size;
    }
    return found;
}

} // namespace conduit::sim
