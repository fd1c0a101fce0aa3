// SPDX-License-Identifier: Apache-2.0
#include "core/text.hpp"
#include "sim/audio/bytes.hpp"
#include "sim/audio/containers.hpp"

#include <algorithm>

namespace conduit::sim {
namespace {

std::string info_chunk(std::string_view text)
{
    std::string comment{text};
    comment += '\0';
    if (comment.size() % 2 != 0)
        comment += '\0';
    std::string out = "LIST";
    put_le(out, 4 + 8 + comment.size(), 4);
    out += "INFOICMT";
    put_le(out, comment.size(), 4);
    return out + comment;
}

std::optional<std::string> read_info(std::string_view list)
{
    if (!list.starts_with("INFO"))
        return std::nullopt;
    for (std::size_t at = 4; at + 8 <= list.size();) {
        const std::size_t size = get_le(list, at + 4, 4);
        const auto value = list.substr(at + 8, size);
        if (list.substr(at, 4) == "ICMT" && value.find('\0') != std::string_view::npos) {
            const auto text = value.substr(0, value.find('\0'));
            if (is_valid_utf8(text))
                return std::string(text);
        }
        if (size > list.size())
            break;
        at += 8 + size + size % 2;
    }
    return std::nullopt;
}

} // namespace

std::string make_wav(std::string_view text, std::string_view samples, std::uint32_t rate, std::uint16_t tag)
{
    const std::uint32_t width = tag == 1 ? 2 : 1;
    const auto info = info_chunk(text);
    std::string out = "RIFF";
    put_le(out, 4 + 24 + info.size() + 8 + samples.size() + samples.size() % 2, 4);
    out += "WAVEfmt ";
    put_le(out, 16, 4);
    put_le(out, tag, 2);
    put_le(out, 1, 2);
    put_le(out, rate, 4);
    put_le(out, rate * width, 4);
    put_le(out, width, 2);
    put_le(out, width * 8, 2);
    out += info;
    out += "data";
    put_le(out, samples.size(), 4);
    out += samples;
    if (samples.size() % 2 != 0)
        out += '\0';
    return out;
}

Found read_wav(std::string_view bytes)
{
    Found found;
    if (!bytes.starts_with("RIFF") || part(bytes, 8, 4) != "WAVE")
        return found;
    std::uint64_t byte_rate = 0;
    std::size_t width = 2;
    for (std::size_t at = 12; at + 8 <= bytes.size();) {
        const auto name = bytes.substr(at, 4);
        const auto body = bytes.substr(at + 8, get_le(bytes, at + 4, 4));
        if (name == "fmt ") {
            byte_rate = get_le(body, 8, 4);
            width = std::clamp<std::size_t>(get_le(body, 12, 2), 1, 64);
        } else if (name == "LIST" && !found.text) {
            found.text = read_info(body);
        } else if (name == "data") {
            found.seconds =
                byte_rate == 0 ? 0 : static_cast<double>(body.size()) / static_cast<double>(byte_rate);
            if (!found.text)
                found.text = hidden_text(body, width);
        }
        at += 8 + body.size() + body.size() % 2;
    }
    return found;
}

} // namespace conduit::sim
