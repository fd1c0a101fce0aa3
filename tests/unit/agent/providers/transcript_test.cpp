// SPDX-License-Identifier: Apache-2.0
#include "agent/providers/base64_stream.hpp"
#include "agent/providers/transcript.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "tests/support/catch.hpp"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::agent;

namespace {

Transcript sample()
{
    Transcript out;
    out.text = "Hello there. Bye.";
    out.language = "en-us";
    out.duration = 8.47;
    out.segments = {{0, 3.32, "Hello there.", 0.5}, {3.32, 3725.5, " Bye.", 0}};
    out.words = {{"Hello", 0, 0.24}, {"there.", 0.24, 0.5}};
    return out;
}

} // namespace

TEST_CASE("a transcript is rendered in the formats of OpenAI")
{
    CHECK(render_transcript(sample(), "json") ==
          R"({"text":"Hello there. Bye.","usage":{"type":"duration","seconds":9}})");
    CHECK(render_transcript(sample(), "text") == "Hello there. Bye.\n");
    CHECK(render_transcript(sample(), "srt") == "1\n00:00:00,000 --> 00:00:03,320\nHello there.\n\n"
                                                "2\n00:00:03,320 --> 01:02:05,500\nBye.\n\n");
    CHECK(render_transcript(sample(), "vtt") == "WEBVTT\n\n00:00:00.000 --> 00:00:03.320\nHello there.\n\n"
                                                "00:00:03.320 --> 01:02:05.500\nBye.\n\n");
}

TEST_CASE("verbose_json holds words and segments as asked for")
{
    const auto parsed = [](std::vector<std::string> granularities) {
        return *parse_json(render_transcript(sample(), "verbose_json", granularities));
    };
    const auto usual = parsed({});
    CHECK(usual["task"] == "transcribe");
    CHECK(usual["language"] == "english");
    CHECK(usual["duration"] == 8.47);
    CHECK(usual["segments"].size() == 2);
    CHECK(usual["segments"][1]["id"] == 1);
    CHECK(usual["segments"][0]["avg_logprob"] == Approx(std::log(0.5)));
    CHECK(usual["segments"][0]["tokens"].empty());
    CHECK_FALSE(usual.contains("words"));
    const auto words = parsed({"word"});
    CHECK_FALSE(words.contains("segments"));
    CHECK(words["words"][1]["word"] == "there.");
    CHECK(words["words"][1]["end"] == 0.5);
    const auto both = parsed({"word", "segment"});
    CHECK((both.contains("words") && both.contains("segments")));
}

TEST_CASE("an empty transcript is a valid answer in each format")
{
    CHECK(render_transcript({}, "json") == R"({"text":""})");
    CHECK(render_transcript({}, "text") == "\n");
    CHECK(render_transcript({}, "srt").empty());
    CHECK(render_transcript({}, "vtt") == "WEBVTT\n\n");
    CHECK((*parse_json(render_transcript({}, "verbose_json")))["segments"].empty());
}

TEST_CASE("hostile text and times cannot break a subtitle file")
{
    Transcript out;
    out.segments = {{std::nan(""), std::numeric_limits<double>::infinity(), "a\n\n2\r\n00:00 --> b", 0},
                    {-5, 1e300, "c", 0}};
    CHECK(render_transcript(out, "srt") == "1\n00:00:00,000 --> 00:00:00,000\na  2  00:00 -> b\n\n"
                                           "2\n00:00:00,000 --> 99:59:59,000\nc\n\n");
    out.text = "\xFF\"";
    CHECK(parse_json(render_transcript(out, "json")));
    CHECK(parse_json(render_transcript(out, "verbose_json")));
}

TEST_CASE("text without times becomes one subtitle over the whole duration")
{
    Transcript out;
    out.text = "all of it";
    out.duration = 2;
    CHECK(render_transcript(out, "srt") == "1\n00:00:00,000 --> 00:00:02,000\nall of it\n\n");
}

TEST_CASE("a streamed transcript ends with its done event")
{
    CHECK(sse_delta("Hi \"you\"") ==
          "data: {\"type\":\"transcript.text.delta\",\"delta\":\"Hi \\\"you\\\"\"}\n\n");
    CHECK(
        sse_done({.text = "Hi", .duration = 1.2}) ==
        "data: "
        "{\"type\":\"transcript.text.done\",\"text\":\"Hi\",\"usage\":{\"type\":\"duration\",\"seconds\":2}}"
        "\n\n");
    CHECK(transcript_content_type("json", true).starts_with("text/event-stream"));
    CHECK(transcript_content_type("json", false) == "application/json");
    CHECK(transcript_content_type("vtt", false) == "text/plain; charset=utf-8");
}

TEST_CASE("languages are named and tagged")
{
    CHECK(language_tag("en", "de-DE") == "en-US");
    CHECK(language_tag("PT", "de-DE") == "pt-BR");
    CHECK(language_tag("en-GB", "de-DE") == "en-GB");
    CHECK(language_tag("", "de-DE") == "de-DE");
    CHECK(language_tag("xx", "de-DE") == "xx");
    CHECK(language_name("en-us") == "english");
    CHECK(language_name("de") == "german");
    CHECK(language_name("nb-NO") == "norwegian");
    CHECK(language_name("xx") == "xx");
}

TEST_CASE("base64 in pieces equals base64 at once, for every length and step")
{
    std::string bytes;
    for (int length = 0; length < 40; ++length) {
        for (std::size_t step = 1; step < 10; ++step) {
            std::string text;
            Base64StreamEncoder encoder;
            for (std::size_t at = 0; at < bytes.size(); at += step)
                encoder.feed(std::string_view(bytes).substr(at, step), text);
            encoder.finish(text);
            REQUIRE(text == base64_encode(bytes));
            for (const auto& given : {text, text.substr(0, text.find('='))}) {
                std::string back;
                Base64StreamDecoder decoder;
                for (std::size_t at = 0; at < given.size(); at += step)
                    REQUIRE(decoder.feed(std::string_view(given).substr(at, step), back));
                REQUIRE(decoder.finish(back));
                REQUIRE(back == bytes);
            }
        }
        bytes += static_cast<char>(length * 37 + 200);
    }
    for (const auto* bad :
         {"a", "a===", "ab=c", "====", "abcd=", "ab c", "abcde", "ab===", "\xFF\xFF\xFF\xFF"}) {
        std::string out;
        Base64StreamDecoder decoder;
        CHECK_FALSE((decoder.feed(bad, out) && decoder.finish(out)));
    }
}
