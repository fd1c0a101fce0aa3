// SPDX-License-Identifier: Apache-2.0
// Speech of the simulator: real audio files that carry their text, and the way back from audio to text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace conduit::sim {

enum class AudioFormat : std::uint8_t { wav, pcm, mp3, opus, flac, aac, mulaw, alaw };

std::optional<AudioFormat> parse_audio_format(std::string_view name); // OpenAI's names
std::string_view media_type(AudioFormat format);                      // "audio/mpeg"

struct SpeechSpec {
    AudioFormat format = AudioFormat::mp3;
    std::uint32_t rate = 24000; // opus is always coded at 48 kHz
    double speed = 1.0;
    std::uint32_t mp3_kbps = 64;
};

// About 60 ms of audio a character at speed 1, never less than 0.3 s.
double speech_seconds(std::string_view text, double speed);
std::string make_speech(std::string_view text, const SpeechSpec& spec);

struct AudioFacts {
    std::optional<AudioFormat> format; // nullopt: no container we know
    std::optional<std::string> text;   // what make_speech put in
    double seconds = 0;
};
// raw_rate: bytes without a container are taken for 16-bit PCM at this rate.
AudioFacts read_audio(std::string_view bytes, std::uint32_t raw_rate = 24000);

// The text of the audio. Audio that carries none gets a sentence chosen by the bytes' SHA-256, always the
// same.
std::string transcript_of(std::string_view bytes, const AudioFacts& facts);
std::string sentence_for(std::string_view bytes);

} // namespace conduit::sim
