// SPDX-License-Identifier: Apache-2.0
// FLAC with verbatim subframes: any samples, no coding; the text is a Vorbis comment.
#include "core/text.hpp"
#include "sim/audio/bytes.hpp"
#include "sim/audio/containers.hpp"

#include <algorithm>
#include <array>

namespace conduit::sim {
namespace {

constexpr std::uint64_t k_block = 4096;
constexpr std::string_view k_key = "CONDUIT_TEXT=";

std::uint8_t crc8(std::string_view bytes)
{
    unsigned crc = 0;
    for (const char c : bytes) {
        crc ^= static_cast<std::uint8_t>(c);
        for (int bit = 0; bit < 8; ++bit)
            crc = (crc & 0x80U) != 0 ? ((crc << 1U) ^ 0x07U) & 0xffU : (crc << 1U) & 0xffU;
    }
    return static_cast<std::uint8_t>(crc);
}

consteval std::array<std::uint16_t, 256> crc16_table()
{
    std::array<std::uint16_t, 256> table{};
    for (unsigned i = 0; i < table.size(); ++i) {
        unsigned crc = i << 8U;
        for (int bit = 0; bit < 8; ++bit)
            crc = (crc & 0x8000U) != 0 ? (crc << 1U) ^ 0x8005U : crc << 1U;
        table[i] = static_cast<std::uint16_t>(crc);
    }
    return table;
}

std::uint16_t crc16(std::string_view bytes)
{
    static constexpr auto k_table = crc16_table();
    unsigned crc = 0;
    for (const char c : bytes)
        crc = ((crc << 8U) ^ k_table[((crc >> 8U) ^ static_cast<std::uint8_t>(c)) & 0xffU]) & 0xffffU;
    return static_cast<std::uint16_t>(crc);
}

void put_utf8_number(std::string& out, std::uint64_t value)
{
    if (value < 0x80) {
        put_be(out, value, 1);
    } else if (value < 0x800) {
        put_be(out, 0xc080U | ((value << 2U) & 0x1f00U) | (value & 0x3fU), 2);
    } else {
        put_be(out, 0xe08080U | ((value << 4U) & 0x0f0000U) | ((value << 2U) & 0x3f00U) | (value & 0x3fU), 3);
    }
}

// pcm: 16-bit little-endian samples.
std::string frame(std::uint64_t number, std::string_view pcm)
{
    std::string out;
    put_be(out, 0xfff8U, 2);
    put_be(out, 0x70U, 1); // 16 bits of block size follow; the rate is STREAMINFO's
    put_be(out, 0x08U, 1); // mono, 16 bits a sample
    put_utf8_number(out, number);
    put_be(out, pcm.size() / 2 - 1, 2);
    put_be(out, crc8(out), 1);
    put_be(out, 0x02U, 1); // verbatim subframe
    for (std::size_t i = 0; i + 1 < pcm.size(); i += 2) {
        out += pcm[i + 1];
        out += pcm[i];
    }
    put_be(out, crc16(out), 2);
    return out;
}

} // namespace

std::string make_comments(std::string_view text)
{
    constexpr std::string_view k_vendor = "conduit-sim";
    std::string out;
    put_le(out, k_vendor.size(), 4);
    out += k_vendor;
    put_le(out, 1, 4);
    put_le(out, k_key.size() + text.size(), 4);
    out += k_key;
    out += text;
    return out;
}

std::optional<std::string> comment_text(std::string_view block)
{
    std::size_t at = 4 + get_le(block, 0, 4);
    auto count = get_le(block, at, 4);
    at += 4;
    for (; count > 0 && at + 4 <= block.size(); --count) {
        const auto size = get_le(block, at, 4);
        const auto entry = block.substr(at + 4, size);
        if (entry.starts_with(k_key) && entry.size() == size && is_valid_utf8(entry))
            return std::string(entry.substr(k_key.size()));
        at += 4 + size;
    }
    return std::nullopt;
}

std::string make_flac(std::string_view text, std::uint64_t samples, std::uint32_t rate)
{
    const auto pcm = make_pcm(text, std::max<std::uint64_t>(samples, k_block), rate);
    samples = pcm.size() / 2;
    std::string out = "fLaC";
    put_be(out, 34, 4);
    put_be(out, k_block, 2);
    put_be(out, k_block, 2);
    put_be(out, 0, 6); // frame sizes unknown
    put_be(out, (static_cast<std::uint64_t>(rate) << 44U) | (15ULL << 36U) | samples, 8); // mono, 16 bits
    out.append(16, '\0');                                                                 // no MD5
    const auto comments = make_comments(text);
    put_be(out, 0x84000000U | comments.size(), 4);
    out += comments;
    for (std::uint64_t number = 0; number * k_block < samples; ++number)
        out += frame(number, part(pcm, number * k_block * 2, k_block * 2));
    return out;
}

Found read_flac(std::string_view bytes)
{
    Found found;
    for (std::size_t at = 4; at + 4 <= bytes.size();) {
        const auto head = get_be(bytes, at, 4);
        const auto body = bytes.substr(at + 4, head & 0xffffffU);
        const auto type = (head >> 24U) & 0x7fU;
        if (type == 0 && body.size() >= 18) {
            const auto packed = get_be(body, 10, 8);
            const auto rate = packed >> 44U;
            found.seconds =
                rate == 0 ? 0 : static_cast<double>(packed & 0xfffffffffULL) / static_cast<double>(rate);
        } else if (type == 4) {
            found.text = comment_text(body);
        }
        if ((head & 0x80000000U) != 0)
            break;
        at += 4 + body.size();
    }
    return found;
}

} // namespace conduit::sim
