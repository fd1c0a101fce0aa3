// SPDX-License-Identifier: Apache-2.0
#include "agent/cache/cache.hpp"

#include "core/hash.hpp"

#include <array>
#include <initializer_list>

namespace conduit::agent {
namespace {

// Each part is preceded by its length, so that moving a character from one part to the next changes the hash.
std::string key_of(std::string_view prefix, std::initializer_list<std::string_view> parts)
{
    Sha256Stream hash;
    for (const auto part : parts) {
        std::array<char, 8> length{};
        for (std::size_t i = 0; i < length.size(); ++i)
            length[i] = static_cast<char>((std::uint64_t{part.size()} >> (8 * i)) & 0xffU);
        hash.update({length.data(), length.size()});
        hash.update(part);
    }
    return std::string(prefix) + hex(hash.finish());
}

} // namespace

std::string speech_cache_key(const SpeechKeyParts& parts)
{
    return key_of("audio:tts:", {parts.tenant, parts.model, parts.voice, parts.input, parts.format,
                                 parts.speed, parts.instructions});
}

std::string transcription_cache_key(const TranscriptionKeyParts& parts)
{
    return key_of("audio:stt:",
                  {parts.tenant, parts.operation, parts.model, parts.language, parts.prompt,
                   parts.response_format, parts.temperature, parts.granularities, parts.audio_sha256});
}

} // namespace conduit::agent
