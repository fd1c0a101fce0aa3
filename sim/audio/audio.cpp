// SPDX-License-Identifier: Apache-2.0
#include "sim/audio/audio.hpp"

#include "core/hash.hpp"
#include "core/text.hpp"
#include "sim/audio/bytes.hpp"
#include "sim/audio/containers.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace conduit::sim {
namespace {

constexpr std::array<std::string_view, 8> k_names = {"wav",  "pcm", "mp3",   "opus",
                                                     "flac", "aac", "mulaw", "alaw"};
constexpr std::array<std::string_view, 8> k_media = {"audio/wav",  "audio/pcm", "audio/mpeg",  "audio/opus",
                                                     "audio/flac", "audio/aac", "audio/mulaw", "audio/alaw"};
constexpr std::array<std::string_view, 16> k_subjects = {
    "the engineer",  "a customer",  "the river",  "our neighbour", "the captain",   "a teacher",
    "the orchestra", "my brother",  "the doctor", "a stranger",    "the old clock", "the gardener",
    "a pilot",       "the printer", "the editor", "the weather"};
constexpr std::array<std::string_view, 16> k_verbs = {
    "carries", "follows", "describes", "repairs", "measures", "remembers", "opens",  "watches",
    "crosses", "answers", "collects",  "paints",  "returns",  "explains",  "counts", "keeps"};
constexpr std::array<std::string_view, 16> k_objects = {
    "seven letters",   "the northern bridge", "a quiet song",     "every window",
    "the long report", "two lanterns",        "an empty station", "the second harbour",
    "green apples",    "a paper map",         "the last train",   "cold water",
    "three questions", "the broken radio",    "a silver ladder",  "the market"};
constexpr std::array<std::string_view, 8> k_ends = {
    "before noon", "in the morning",      "without a sound", "after the storm",
    "once a week", "on the second floor", "near the coast",  "until midnight"};

std::size_t characters(std::string_view text)
{
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<std::uint8_t>(c) & 0xc0U) != 0x80U; }));
}

std::optional<AudioFormat> container_of(std::string_view bytes)
{
    if (bytes.starts_with("RIFF") && part(bytes, 8, 4) == "WAVE")
        return AudioFormat::wav;
    if (bytes.starts_with("fLaC"))
        return AudioFormat::flac;
    if (bytes.starts_with("OggS") && bytes.substr(0, 64).contains("OpusHead"))
        return AudioFormat::opus;
    const auto sync = get_be(bytes, id3_size(bytes), 2);
    if ((sync & 0xfff6U) == 0xfff0U)
        return AudioFormat::aac;
    if ((sync & 0xffe0U) == 0xffe0U && (sync & 0x0006U) == 0x0002U)
        return AudioFormat::mp3;
    return std::nullopt;
}

} // namespace

std::optional<AudioFormat> parse_audio_format(std::string_view name)
{
    const auto* found = std::ranges::find(k_names, name);
    if (found == k_names.end())
        return std::nullopt;
    return static_cast<AudioFormat>(found - k_names.begin());
}

std::string_view media_type(AudioFormat format)
{
    return k_media[static_cast<std::size_t>(format)];
}

double speech_seconds(std::string_view text, double speed)
{
    return std::max(0.3, 0.06 * static_cast<double>(characters(text)) / std::clamp(speed, 0.1, 10.0));
}

std::string make_speech(std::string_view text, const SpeechSpec& spec)
{
    const auto seconds = speech_seconds(text, spec.speed);
    const auto samples = static_cast<std::uint64_t>(seconds * spec.rate);
    switch (spec.format) {
    case AudioFormat::wav:
        return make_wav(text, make_pcm(text, samples, spec.rate), spec.rate, 1);
    case AudioFormat::pcm:
        return make_pcm(text, samples, spec.rate);
    case AudioFormat::mp3:
        return make_mp3(text, seconds, spec.rate, spec.mp3_kbps);
    case AudioFormat::opus:
        return make_opus(text, seconds, spec.rate);
    case AudioFormat::flac:
        return make_flac(text, samples, spec.rate);
    case AudioFormat::aac:
        return make_aac(text, seconds, spec.rate);
    case AudioFormat::mulaw:
    case AudioFormat::alaw:
        return make_companded(text, samples, spec.rate, spec.format == AudioFormat::mulaw);
    }
    return {};
}

AudioFacts read_audio(std::string_view bytes, std::uint32_t raw_rate)
{
    const auto format = container_of(bytes);
    const auto facts = [&](Found found) { return AudioFacts{format, std::move(found.text), found.seconds}; };
    if (format == AudioFormat::wav)
        return facts(read_wav(bytes));
    if (format == AudioFormat::flac)
        return facts(read_flac(bytes));
    if (format == AudioFormat::opus)
        return facts(read_opus(bytes));
    if (format == AudioFormat::aac)
        return facts(read_aac(bytes));
    if (format == AudioFormat::mp3)
        return facts(read_mp3(bytes));
    return {std::nullopt, hidden_text(bytes, 2),
            static_cast<double>(bytes.size()) / (2.0 * std::max(raw_rate, 1U))};
}

std::string transcript_of(std::string_view bytes, const AudioFacts& facts)
{
    return facts.text ? *facts.text : sentence_for(bytes);
}

std::string sentence_for(std::string_view bytes)
{
    const auto digest = sha256(bytes);
    std::string sentence{k_subjects[digest[0] % k_subjects.size()]};
    sentence.front() = static_cast<char>(sentence.front() - 'a' + 'A');
    sentence += ' ';
    sentence += k_verbs[digest[1] % k_verbs.size()];
    sentence += ' ';
    sentence += k_objects[digest[2] % k_objects.size()];
    sentence += ' ';
    sentence += k_ends[digest[3] % k_ends.size()];
    return sentence + ".";
}

} // namespace conduit::sim
