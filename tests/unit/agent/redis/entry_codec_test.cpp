// SPDX-License-Identifier: Apache-2.0
#include "agent/cache/entry_codec.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;
using namespace conduit::agent;

namespace {

SharedEntry entry()
{
    return {{"audio/mpeg", std::string("ID3\0\r\n\xff", 7), "openai", 2.5},
            17,
            WallTime(Duration(1'700'000'000'123))};
}

std::string encoded(const std::string& key, const SharedEntry& e)
{
    return encode_entry(key, e.answer, e.mark, e.expires);
}

} // namespace

TEST_CASE("an entry comes back as it was written")
{
    const auto back = decode_entry("audio:tts:k", encoded("audio:tts:k", entry()));
    REQUIRE(back);
    CHECK(back->answer.body == entry().answer.body);
    CHECK(back->answer.content_type == "audio/mpeg");
    CHECK(back->answer.provider == "openai");
    CHECK(back->answer.audio_seconds == 2.5);
    CHECK(back->mark == 17);
    CHECK(back->expires == entry().expires);
}

TEST_CASE("a value that is foreign, torn, changed or under another key is no entry")
{
    const auto value = encoded("audio:tts:k", entry());
    for (std::size_t size = 0; size < value.size(); ++size)
        CHECK_FALSE(decode_entry("audio:tts:k", value.substr(0, size)));
    for (std::size_t at = 0; at < value.size(); ++at) {
        auto changed = value;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        CHECK_FALSE(decode_entry("audio:tts:k", changed));
    }
    CHECK_FALSE(decode_entry("audio:tts:l", value));
    CHECK_FALSE(decode_entry("audio:tts:k", value + "x"));
    CHECK_FALSE(decode_entry("audio:tts:k", "a string of somebody else"));
    auto empty = entry();
    empty.answer.body.clear();
    CHECK_FALSE(decode_entry("audio:tts:k", encoded("audio:tts:k", empty)));
}
