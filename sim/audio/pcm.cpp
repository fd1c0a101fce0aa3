// SPDX-License-Identifier: Apache-2.0
#include "core/event_stream.hpp"
#include "core/text.hpp"
#include "sim/audio/bytes.hpp"
#include "sim/audio/containers.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numbers>

namespace conduit::sim {
namespace {

constexpr std::string_view k_mark = "CSIM";
constexpr std::size_t k_max_text = 1U << 20U;

std::string message_of(std::string_view text)
{
    std::string message{k_mark};
    put_le(message, text.size(), 4);
    message += text;
    put_le(message, crc32(text), 4);
    return message;
}

bool bit_of(std::string_view message, std::size_t index)
{
    return ((static_cast<std::uint8_t>(message[index / 8]) >> (index % 8)) & 1U) != 0;
}

// One period of a voice-like wave: a fundamental with two harmonics.
const std::array<std::int16_t, 256>& wave()
{
    static const auto k_wave = [] {
        std::array<std::int16_t, 256> out{};
        for (std::size_t i = 0; i < out.size(); ++i) {
            const double phase = 2 * std::numbers::pi * static_cast<double>(i) / 256.0;
            const double value = std::sin(phase) + 0.5 * std::sin(2 * phase) + 0.25 * std::sin(3 * phase);
            out[i] = static_cast<std::int16_t>(3000 * value);
        }
        return out;
    }();
    return k_wave;
}

// The pitch follows the text, a character each 60 ms, so that different texts sound different.
class Voice {
  public:
    Voice(std::string_view text, std::uint64_t samples, std::uint32_t rate) : text_(text), rate_(rate)
    {
        per_character_ = text.empty() ? samples + 1 : samples / text.size() + 1;
    }
    std::int16_t next()
    {
        if (at_ % per_character_ == 0) {
            const auto index = at_ / per_character_;
            const std::uint32_t pitch = index < text_.size() ? static_cast<std::uint8_t>(text_[index]) : 0;
            loud_ = pitch > 32;
            step_ = (90 + pitch) * 65536U / rate_ * 256U;
        }
        ++at_;
        phase_ += step_;
        return loud_ ? wave()[(phase_ >> 16U) & 0xffU] : std::int16_t{0};
    }

  private:
    std::string_view text_;
    std::uint32_t rate_;
    std::uint64_t per_character_ = 1;
    std::uint64_t at_ = 0;
    std::uint32_t phase_ = 0;
    std::uint32_t step_ = 0;
    bool loud_ = false;
};

std::uint8_t to_mulaw(std::int16_t sample)
{
    const auto sign = sample < 0 ? 0x80U : 0U;
    const auto value = static_cast<unsigned>(std::min(std::abs(static_cast<int>(sample)), 32635) + 132);
    const auto exponent = static_cast<unsigned>(std::bit_width(value) - 8);
    return static_cast<std::uint8_t>(~(sign | (exponent << 4U) | ((value >> (exponent + 3)) & 0xfU)));
}

std::uint8_t to_alaw(std::int16_t sample)
{
    const auto sign = sample >= 0 ? 0x80U : 0U;
    const auto value = static_cast<unsigned>(std::min(std::abs(static_cast<int>(sample)), 32635)) >> 4U;
    const auto exponent = value < 16 ? 0U : static_cast<unsigned>(std::bit_width(value) - 4);
    const auto mantissa = exponent == 0 ? value & 0xfU : (value >> (exponent - 1)) & 0xfU;
    return static_cast<std::uint8_t>((sign | (exponent << 4U) | mantissa) ^ 0x55U);
}

} // namespace

std::string make_pcm(std::string_view text, std::uint64_t samples, std::uint32_t rate)
{
    const auto message = message_of(text);
    samples = std::max<std::uint64_t>(samples, message.size() * 8);
    std::string out(samples * 2, '\0');
    Voice voice{text, samples, rate};
    for (std::size_t i = 0; i < samples; ++i) {
        auto sample = static_cast<std::uint16_t>(voice.next());
        if (i < message.size() * 8)
            sample = static_cast<std::uint16_t>((sample & 0xfffeU) | (bit_of(message, i) ? 1U : 0U));
        out[2 * i] = static_cast<char>(sample & 0xffU);
        out[2 * i + 1] = static_cast<char>(sample >> 8U);
    }
    return out;
}

std::string make_companded(std::string_view text, std::uint64_t samples, std::uint32_t rate, bool mulaw)
{
    const auto message = message_of(text);
    samples = std::max<std::uint64_t>(samples, message.size() * 8);
    std::string out(samples, '\0');
    Voice voice{text, samples, rate};
    for (std::size_t i = 0; i < samples; ++i) {
        const auto sample = voice.next();
        unsigned code = mulaw ? to_mulaw(sample) : to_alaw(sample);
        if (i < message.size() * 8)
            code = (code & 0xfeU) | (bit_of(message, i) ? 1U : 0U);
        out[i] = static_cast<char>(code);
    }
    return out;
}

std::optional<std::string> hidden_text(std::string_view samples, std::size_t stride)
{
    const auto total_bits = samples.size() / stride;
    const auto read = [&](std::size_t at, std::size_t count) {
        std::string out(count, '\0');
        for (std::size_t i = 0; i < count * 8; ++i) {
            const auto bit = static_cast<std::uint8_t>(samples[(at * 8 + i) * stride]) & 1U;
            out[i / 8] = static_cast<char>(static_cast<std::uint8_t>(out[i / 8]) | (bit << (i % 8)));
        }
        return out;
    };
    if (total_bits < 96 || read(0, 4) != k_mark)
        return std::nullopt;
    const auto length = get_le(read(4, 4), 0, 4);
    if (length > k_max_text || total_bits < (12 + length) * 8)
        return std::nullopt;
    auto text = read(8, length);
    if (get_le(read(8 + length, 4), 0, 4) != crc32(text) || !is_valid_utf8(text))
        return std::nullopt;
    return text;
}

} // namespace conduit::sim
