// SPDX-License-Identifier: Apache-2.0
#include "agent/net/websocket.hpp"

#include "core/hash.hpp"
#include "core/text.hpp"

#include <cstring>
#include <openssl/sha.h>

namespace conduit::agent {

namespace {

void put_be(std::string& out, std::uint64_t value, int bytes)
{
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
        out.push_back(static_cast<char>(value >> shift & 0xFFU));
}

std::uint8_t byte_at(std::string_view bytes, std::size_t i)
{
    return static_cast<std::uint8_t>(bytes[i]);
}

bool known_opcode(std::uint8_t opcode)
{
    return opcode <= 2 || (opcode >= 8 && opcode <= 10);
}

} // namespace

std::optional<std::size_t> WsFrameReader::read(std::string_view bytes, WsFrameHead& head)
{
    if (bytes.size() < 2)
        return 0;
    const std::uint8_t first = byte_at(bytes, 0), second = byte_at(bytes, 1);
    const std::uint8_t opcode = first & 0x0FU;
    const std::uint8_t short_length = second & 0x7FU;
    head.fin = (first & 0x80U) != 0;
    head.masked = (second & 0x80U) != 0;
    if ((first & 0x70U) != 0 || !known_opcode(opcode) || head.masked != expect_masked_)
        return std::nullopt;
    head.opcode = static_cast<WsOpcode>(opcode);
    if (head.control() && (!head.fin || short_length > 125))
        return std::nullopt;
    const std::size_t extra = short_length == 126 ? 2 : short_length == 127 ? 8 : 0;
    const std::size_t size = 2 + extra + (head.masked ? 4 : 0);
    if (bytes.size() < size)
        return 0;
    head.length = short_length;
    if (extra > 0) {
        head.length = 0;
        for (std::size_t i = 0; i < extra; ++i)
            head.length = head.length << 8U | byte_at(bytes, 2 + i);
        if (head.length >> 63U != 0)
            return std::nullopt;
    }
    if (head.masked)
        std::memcpy(head.mask, bytes.data() + 2 + extra, 4);
    if (!head.control()) {
        if ((head.opcode == WsOpcode::continuation) != in_message_)
            return std::nullopt; // a continuation of nothing, or a new message inside another
        in_message_ = !head.fin;
    }
    return size;
}

void ws_mask(char* data, std::size_t size, const std::uint8_t mask[4], std::uint64_t offset)
{
    std::uint8_t turned[8];
    for (std::size_t i = 0; i < 8; ++i)
        turned[i] = mask[(offset + i) % 4];
    std::uint64_t wide = 0;
    std::memcpy(&wide, turned, 8);
    std::size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        std::uint64_t block = 0;
        std::memcpy(&block, data + i, 8);
        block ^= wide;
        std::memcpy(data + i, &block, 8);
    }
    for (std::size_t j = 0; i < size; ++i, ++j)
        data[i] = static_cast<char>(static_cast<std::uint8_t>(data[i]) ^ turned[j]);
}

std::string ws_head(WsOpcode opcode, bool fin, std::uint64_t length, const std::uint8_t* mask)
{
    std::string out;
    out.push_back(static_cast<char>((fin ? 0x80U : 0U) | static_cast<unsigned>(opcode)));
    const unsigned mask_bit = mask != nullptr ? 0x80U : 0U;
    if (length < 126) {
        out.push_back(static_cast<char>(mask_bit | length));
    } else if (length <= 0xFFFF) {
        out.push_back(static_cast<char>(mask_bit | 126U));
        put_be(out, length, 2);
    } else {
        out.push_back(static_cast<char>(mask_bit | 127U));
        put_be(out, length, 8);
    }
    for (int i = 0; mask != nullptr && i < 4; ++i)
        out.push_back(static_cast<char>(mask[i]));
    return out;
}

std::string ws_frame(WsOpcode opcode, std::string_view payload, bool masked, bool fin)
{
    std::uint8_t mask[4] = {};
    if (masked)
        random_bytes(mask, sizeof mask);
    std::string out = ws_head(opcode, fin, payload.size(), masked ? mask : nullptr);
    const std::size_t start = out.size();
    out.append(payload);
    if (masked)
        ws_mask(out.data() + start, payload.size(), mask);
    return out;
}

std::string ws_close(std::uint16_t code, std::string_view reason, bool masked)
{
    std::string payload;
    if (code != 1005) {
        put_be(payload, code, 2);
        payload.append(reason.substr(0, 123));
    }
    return ws_frame(WsOpcode::close, payload, masked);
}

std::optional<WsCloseReason> ws_parse_close(std::string_view payload)
{
    if (payload.empty())
        return WsCloseReason{};
    if (payload.size() == 1)
        return std::nullopt;
    WsCloseReason close;
    close.code = static_cast<std::uint16_t>(byte_at(payload, 0) << 8U | byte_at(payload, 1));
    close.reason = payload.substr(2);
    const bool valid = (close.code >= 1000 && close.code <= 1014 && close.code != 1004 &&
                        close.code != 1005 && close.code != 1006) ||
                       (close.code >= 3000 && close.code <= 4999);
    if (!valid || !is_valid_utf8(close.reason))
        return std::nullopt;
    return close;
}

std::string ws_accept(std::string_view key)
{
    const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[SHA_DIGEST_LENGTH];
    SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
    return base64_encode({reinterpret_cast<const char*>(digest), sizeof digest});
}

std::string ws_new_key()
{
    std::uint8_t bytes[16];
    random_bytes(bytes, sizeof bytes);
    return base64_encode({reinterpret_cast<const char*>(bytes), sizeof bytes});
}

} // namespace conduit::agent
