// SPDX-License-Identifier: Apache-2.0
// Ogg Opus (RFC 7845): 20 ms packets of tones, the text in OpusTags.
#include "sim/audio/bytes.hpp"
#include "sim/audio/containers.hpp"
#include "sim/audio/tones.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <vector>

namespace conduit::sim {
namespace {

constexpr std::uint32_t k_serial = 0x43534d31;
constexpr std::uint64_t k_preskip = 312;
constexpr std::size_t k_max_segments = 255;

consteval std::array<std::uint32_t, 256> ogg_table()
{
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        auto value = i << 24U;
        for (int bit = 0; bit < 8; ++bit)
            value = (value & 0x80000000U) != 0 ? (value << 1U) ^ 0x04c11db7U : value << 1U;
        table[i] = value;
    }
    return table;
}

std::uint32_t ogg_crc(std::string_view bytes)
{
    static constexpr auto k_table = ogg_table();
    std::uint32_t crc = 0;
    for (const char c : bytes)
        crc = (crc << 8U) ^ k_table[((crc >> 24U) ^ static_cast<std::uint8_t>(c)) & 0xffU];
    return crc;
}

constexpr unsigned k_continued = 1; // page flags
constexpr unsigned k_first = 2;
constexpr unsigned k_last = 4;

class OggWriter {
  public:
    void page(std::string_view lacing, std::string_view body, std::uint64_t granule, unsigned flags)
    {
        std::string page = "OggS";
        put_le(page, 0, 1);
        put_le(page, flags, 1);
        put_le(page, granule, 8);
        put_le(page, k_serial, 4);
        put_le(page, sequence_++, 4);
        put_le(page, 0, 4);
        put_le(page, lacing.size(), 1);
        page += lacing;
        page += body;
        std::string sum;
        put_le(sum, ogg_crc(page), 4);
        page.replace(22, 4, sum);
        out_ += page;
    }
    // One packet, over as many pages as it needs.
    void packet(std::string_view bytes, unsigned flags)
    {
        std::string lacing(bytes.size() / 255, '\xff');
        lacing += static_cast<char>(bytes.size() % 255);
        for (std::size_t at = 0; at < lacing.size(); at += k_max_segments) {
            const auto part = std::string_view(lacing).substr(at, k_max_segments);
            const bool ends = at + part.size() == lacing.size();
            page(part, bytes.substr(at * 255, ends ? std::string_view::npos : part.size() * 255),
                 ends ? 0 : ~std::uint64_t{0}, at == 0 ? flags : flags | k_continued);
        }
    }
    std::string take() { return std::move(out_); }

  private:
    std::string out_;
    std::uint32_t sequence_ = 0;
};

} // namespace

std::string make_opus(std::string_view text, double seconds, std::uint32_t input_rate)
{
    OggWriter ogg;
    std::string head{"OpusHead\x01\x01", 10};
    put_le(head, k_preskip, 2);
    put_le(head, input_rate, 4);
    head.append(3, '\0');
    ogg.packet(head, k_first);
    ogg.packet("OpusTags" + make_comments(text), 0);
    static const auto k_packets = code_opus_tones();
    const auto spoken = spoken_tones(text, static_cast<std::size_t>(std::ceil(seconds * 50)) + 1);
    std::size_t left = spoken.size();
    const auto end = k_preskip + static_cast<std::uint64_t>(seconds * 48000);
    std::uint64_t granule = 0;
    while (left > 0) {
        const auto count = std::min<std::size_t>(left, 50);
        std::string lacing;
        std::string body;
        for (const auto tone : std::span(spoken).last(left).first(count)) {
            const auto& packet = k_packets.at(tone);
            lacing += static_cast<char>(packet.size());
            body += packet;
        }
        left -= count;
        granule += count * 960;
        ogg.page(lacing, body, left == 0 ? end : granule, left == 0 ? k_last : 0U);
    }
    return ogg.take();
}

Found read_opus(std::string_view bytes)
{
    Found found;
    std::string packet; // the second one, OpusTags
    std::size_t packets = 0;
    std::uint64_t granule = 0;
    std::uint64_t preskip = 0;
    for (std::size_t at = 0; at + 27 <= bytes.size() && bytes.substr(at, 4) == "OggS";) {
        const std::size_t segments = get_le(bytes, at + 26, 1);
        const auto page_granule = get_le(bytes, at + 6, 8);
        if (page_granule != ~std::uint64_t{0})
            granule = page_granule;
        auto body = at + 27 + segments;
        for (std::size_t i = 0; i < segments; ++i) {
            const std::size_t size = get_le(bytes, at + 27 + i, 1);
            if (packets == 0 && i == 0)
                preskip = get_le(bytes, body + 10, 2);
            if (packets == 1 && body < bytes.size())
                packet += bytes.substr(body, size);
            body += size;
            packets += size < 255 ? 1U : 0U;
        }
        at = body;
    }
    if (packet.starts_with("OpusTags"))
        found.text = comment_text(std::string_view(packet).substr(8));
    found.seconds = granule > preskip ? static_cast<double>(granule - preskip) / 48000.0 : 0;
    return found;
}

} // namespace conduit::sim
