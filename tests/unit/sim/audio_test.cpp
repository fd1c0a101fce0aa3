// SPDX-License-Identifier: Apache-2.0
#include "sim/audio/audio.hpp"
#include "sim/audio/containers.hpp"
#include "tests/support/catch.hpp"

#include <random>

using namespace conduit::sim;

namespace {

const AudioFormat k_containers[] = {AudioFormat::wav, AudioFormat::mp3, AudioFormat::opus, AudioFormat::flac,
                                    AudioFormat::aac};

} // namespace

TEST_CASE("Speech in every format carries its text and lasts as long as it should")
{
    const std::string texts[] = {"x", "Hello there, world.", "Grüße – 你好", std::string(4096, 'a')};
    for (const auto& text : texts) {
        for (const auto format : {AudioFormat::wav, AudioFormat::pcm, AudioFormat::mp3, AudioFormat::opus,
                                  AudioFormat::flac, AudioFormat::aac}) {
            const auto facts = read_audio(make_speech(text, {.format = format}));
            INFO(media_type(format) << " " << text.size());
            REQUIRE(facts.text);
            CHECK(*facts.text == text);
            CHECK(facts.seconds == Approx(speech_seconds(text, 1)).margin(0.1));
            if (format != AudioFormat::pcm)
                CHECK(facts.format == format);
        }
    }
}

TEST_CASE("A text longer than an Ogg page survives")
{
    const std::string text(70000, 'b');
    CHECK(read_audio(make_opus(text, 1, 24000)).text == text);
    CHECK(read_audio(make_mp3(text, 1, 24000, 64)).text == text);
}

TEST_CASE("A WAV without its header still carries the text in its samples")
{
    const auto wav = make_speech("Hello there", {.format = AudioFormat::wav, .rate = 16000});
    const auto data = wav.find("data");
    REQUIRE(data != std::string::npos);
    CHECK(read_audio(std::string_view(wav).substr(data + 8)).text == "Hello there");
}

TEST_CASE("Telephone codings carry the text, raw and in a WAV")
{
    for (const auto format : {AudioFormat::mulaw, AudioFormat::alaw}) {
        const auto raw = make_speech("Hello there", {.format = format, .rate = 8000});
        CHECK(hidden_text(raw, 1) == "Hello there");
        const auto wav = make_wav("Hello there", raw, 8000, format == AudioFormat::alaw ? 6 : 7);
        CHECK(read_audio(wav).text == "Hello there");
    }
}

TEST_CASE("speed shortens the speech")
{
    CHECK(speech_seconds(std::string(100, 'x'), 1) == Approx(6.0));
    CHECK(speech_seconds(std::string(100, 'x'), 2) == Approx(3.0));
}

TEST_CASE("Foreign audio always gets the same sentence, and other audio another one")
{
    const std::string one(1000, 'a');
    const std::string two(1000, 'b');
    CHECK(transcript_of(one, read_audio(one)) == transcript_of(one, read_audio(one)));
    CHECK(transcript_of(one, read_audio(one)) != transcript_of(two, read_audio(two)));
}

TEST_CASE("Readers survive cut and damaged files")
{
    std::mt19937 random{7};
    for (const auto format : k_containers) {
        const auto good = make_speech("Hello there", {.format = format});
        for (std::size_t cut = 0; cut < std::min<std::size_t>(good.size(), 400); ++cut)
            (void)read_audio(std::string_view(good).substr(0, cut));
        for (int round = 0; round < 2000; ++round) {
            auto bad = good.substr(0, 600);
            for (int i = 0; i < 8; ++i)
                bad[random() % bad.size()] = static_cast<char>(random());
            const auto facts = read_audio(bad);
            CHECK(facts.seconds >= 0);
        }
    }
}
