// SPDX-License-Identifier: Apache-2.0
#include "agent/records/record.hpp"

namespace conduit::agent {

std::string_view cache_use_name(CacheUse use)
{
    switch (use) {
    case CacheUse::off:
        return "off";
    case CacheUse::miss:
        return "miss";
    case CacheUse::hit:
        return "hit";
    case CacheUse::joined:
        return "joined";
    }
    return "unknown";
}

double cost_of(const Price& price, Operation operation, double audio_seconds, std::uint32_t characters,
               std::uint32_t tokens)
{
    const double minutes = audio_seconds > 0 ? audio_seconds / 60 : 0;
    switch (operation) {
    case Operation::speech:
        return price.speech_per_1k_characters * characters / 1000;
    case Operation::transcription:
    case Operation::translation:
        return price.transcription_per_minute * minutes;
    case Operation::realtime:
        return price.realtime_per_minute * minutes;
    case Operation::chat:
        return price.chat_per_1k_tokens * tokens / 1000;
    }
    return 0;
}

} // namespace conduit::agent
