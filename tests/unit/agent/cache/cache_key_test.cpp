// SPDX-License-Identifier: Apache-2.0
#include "agent/cache/cache.hpp"
#include "tests/support/catch.hpp"

#include <set>

using namespace conduit::agent;

TEST_CASE("a key is a prefix and a hash, and holds no plain text")
{
    const auto key = speech_cache_key({"team-a", "tts-1", "alloy", "my secret diary", "mp3", "1", ""});
    CHECK(key.starts_with("audio:tts:"));
    CHECK(key.size() == 10 + 64);
    CHECK(key.find("secret") == std::string::npos);
    CHECK(key.substr(10).find_first_not_of("0123456789abcdef") == std::string::npos);
    CHECK(key == speech_cache_key({"team-a", "tts-1", "alloy", "my secret diary", "mp3", "1", ""}));
}

TEST_CASE("everything that changes the result changes the key")
{
    const SpeechKeyParts base{"t", "m", "v", "i", "f", "s", "n"};
    std::set<std::string> keys{speech_cache_key(base)};
    for (auto part :
         {&SpeechKeyParts::tenant, &SpeechKeyParts::model, &SpeechKeyParts::voice, &SpeechKeyParts::input,
          &SpeechKeyParts::format, &SpeechKeyParts::speed, &SpeechKeyParts::instructions}) {
        auto changed = base;
        changed.*part = "x";
        keys.insert(speech_cache_key(changed));
    }
    CHECK(keys.size() == 8);

    const TranscriptionKeyParts stt{"t", "o", "m", "l", "p", "r", "e", "g", "a"};
    std::set<std::string> stt_keys{transcription_cache_key(stt)};
    for (auto part :
         {&TranscriptionKeyParts::tenant, &TranscriptionKeyParts::operation, &TranscriptionKeyParts::model,
          &TranscriptionKeyParts::language, &TranscriptionKeyParts::prompt,
          &TranscriptionKeyParts::response_format, &TranscriptionKeyParts::temperature,
          &TranscriptionKeyParts::granularities, &TranscriptionKeyParts::audio_sha256}) {
        auto changed = stt;
        changed.*part = "x";
        stt_keys.insert(transcription_cache_key(changed));
    }
    CHECK(stt_keys.size() == 10);
    CHECK(stt_keys.begin()->starts_with("audio:stt:"));
}

TEST_CASE("moving text from one part to the next changes the key")
{
    CHECK(speech_cache_key({"", "ab", "c"}) != speech_cache_key({"", "a", "bc"}));
    CHECK(speech_cache_key({"", "", "x"}) != speech_cache_key({"", "x", ""}));
}
