// SPDX-License-Identifier: Apache-2.0
#include "agent/providers/base64_stream.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace conduit::agent {
namespace {

constexpr std::string_view k_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Two characters for each 12 bits.
constexpr auto k_pairs = [] {
    std::array<std::array<char, 2>, 4096> table{};
    for (std::size_t i = 0; i < table.size(); ++i)
        table[i] = {k_alphabet[i >> 6U], k_alphabet[i & 63U]};
    return table;
}();

constexpr std::uint8_t k_bad = 0xFF;
constexpr auto k_values = [] {
    std::array<std::uint8_t, 256> table{};
    table.fill(k_bad);
    for (std::size_t i = 0; i < k_alphabet.size(); ++i)
        table[static_cast<unsigned char>(k_alphabet[i])] = static_cast<std::uint8_t>(i);
    return table;
}();

std::uint32_t byte_at(const char* p)
{
    return static_cast<unsigned char>(*p);
}

void encode_triples(const char* from, std::size_t triples, char* to)
{
    for (std::size_t i = 0; i < triples; ++i, from += 3, to += 4) {
        const auto bits = byte_at(from) << 16U | byte_at(from + 1) << 8U | byte_at(from + 2);
        std::memcpy(to, k_pairs[bits >> 12U].data(), 2);
        std::memcpy(to + 2, k_pairs[bits & 4095U].data(), 2);
    }
}

std::unexpected<Error> damaged()
{
    return fail(ErrorKind::failed, "the provider sent damaged base64");
}

} // namespace

void Base64StreamEncoder::feed(std::string_view bytes, std::string& out)
{
    while (held_size_ > 0 && held_size_ < 3 && !bytes.empty()) {
        held_[held_size_++] = bytes.front();
        bytes.remove_prefix(1);
    }
    const auto add = [&](const char* from, std::size_t triples) {
        const auto size = out.size();
        out.resize(size + triples * 4);
        encode_triples(from, triples, out.data() + size);
    };
    if (held_size_ == 3) {
        add(held_.data(), 1);
        held_size_ = 0;
    }
    if (held_size_ > 0)
        return;
    add(bytes.data(), bytes.size() / 3);
    const auto rest = bytes.substr(bytes.size() / 3 * 3);
    std::ranges::copy(rest, held_.begin());
    held_size_ = rest.size();
}

void Base64StreamEncoder::finish(std::string& out)
{
    if (held_size_ == 0)
        return;
    std::fill(held_.begin() + static_cast<std::ptrdiff_t>(held_size_), held_.end(), '\0');
    std::array<char, 4> last{};
    encode_triples(held_.data(), 1, last.data());
    out.append(last.data(), held_size_ + 1);
    out.append(3 - held_size_, '=');
    held_size_ = 0;
}

Result<> Base64StreamDecoder::one(unsigned char c, std::string& out)
{
    if (c == '=') {
        ++padding_;
        return count_ >= 2 && count_ + padding_ <= 4 ? Result<>{} : damaged();
    }
    const auto value = k_values[c];
    if (value == k_bad || padding_ > 0)
        return damaged();
    bits_ = bits_ << 6U | value;
    if (++count_ < 4)
        return {};
    out += static_cast<char>(bits_ >> 16U & 255U);
    out += static_cast<char>(bits_ >> 8U & 255U);
    out += static_cast<char>(bits_ & 255U);
    bits_ = 0;
    count_ = 0;
    return {};
}

Result<> Base64StreamDecoder::feed(std::string_view text, std::string& out)
{
    while (!text.empty() && (count_ > 0 || padding_ > 0)) {
        TRY(one(static_cast<unsigned char>(text.front()), out));
        text.remove_prefix(1);
    }
    const auto size = out.size();
    const auto fours = text.size() / 4;
    out.resize(size + fours * 3);
    char* to = out.data() + size;
    std::size_t i = 0;
    for (; i < fours; ++i, to += 3) {
        const char* from = text.data() + i * 4;
        const std::uint32_t a = k_values[byte_at(from)], b = k_values[byte_at(from + 1)],
                            c = k_values[byte_at(from + 2)], d = k_values[byte_at(from + 3)];
        if (((a | b | c | d) & 0xC0U) != 0) // padding or damage: one by one
            break;
        const auto bits = a << 18U | b << 12U | c << 6U | d;
        to[0] = static_cast<char>(bits >> 16U & 255U);
        to[1] = static_cast<char>(bits >> 8U & 255U);
        to[2] = static_cast<char>(bits & 255U);
    }
    out.resize(size + i * 3);
    for (const char c : text.substr(i * 4))
        TRY(one(static_cast<unsigned char>(c), out));
    return {};
}

Result<> Base64StreamDecoder::finish(std::string& out)
{
    if (count_ == 1 || (padding_ > 0 && count_ + padding_ != 4))
        return damaged();
    if (count_ == 2)
        out += static_cast<char>(bits_ >> 4U & 255U);
    if (count_ == 3) {
        out += static_cast<char>(bits_ >> 10U & 255U);
        out += static_cast<char>(bits_ >> 2U & 255U);
    }
    count_ = padding_ = 0;
    return {};
}

} // namespace conduit::agent
