// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/agent/providers/aws_samples.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::agent;

namespace {

std::string bytes_of(std::string_view hex)
{
    const auto bytes = hex_decode(hex);
    REQUIRE(bytes);
    return {bytes->begin(), bytes->end()};
}

// Payloads of the messages that an upload becomes, the closing one included.
std::vector<std::string> messages(const ClientRequest& request, std::string_view audio, std::size_t step)
{
    const auto encoder = aws().encoder(provider(), request);
    REQUIRE(encoder);
    CHECK(encoder->input() == BodyEncoder::Input::audio);
    auto out = encoder->begin();
    for (std::size_t at = 0; at < audio.size(); at += step)
        encoder->feed(audio.substr(at, step), out);
    encoder->finish(request.stt, out);
    std::vector<std::string> payloads;
    for (std::string_view rest = out; !rest.empty();) {
        const auto length = encoder->message_length(rest);
        REQUIRE(length <= encoder->max_message());
        EventDecoder frames;
        frames.feed(rest.substr(0, length));
        const auto message = frames.next();
        REQUIRE(message);
        REQUIRE(message->has_value());
        CHECK((*message)->text(":event-type") == "AudioEvent");
        CHECK(frames.buffered() == 0);
        payloads.push_back((*message)->payload);
        rest.remove_prefix(length);
    }
    return payloads;
}

std::string result(std::string_view text, double start, double end, bool partial = false)
{
    const Json items =
        Json::array({{{"Content", text}, {"StartTime", start}, {"EndTime", end}, {"Type", "pronunciation"}},
                     {{"Content", "."}, {"Type", "punctuation"}}});
    return encode_event(
        "TranscriptEvent", "application/json",
        dump_json({{"Transcript",
                    {{"Results", Json::array({{{"ResultId", "r"},
                                               {"StartTime", start},
                                               {"EndTime", end},
                                               {"IsPartial", partial},
                                               {"Alternatives", Json::array({{{"Transcript", text},
                                                                              {"Items", items}}})}}})}}}}));
}

struct Decoded {
    std::string out, text;
    std::optional<Error> error;
};

Decoded decoded(const ClientRequest& request, std::string_view body, std::size_t step)
{
    Decoded outcome;
    const auto decoder = aws().decoder(provider(), request, {101, {}});
    REQUIRE(decoder);
    Result<> done;
    for (std::size_t at = 0; done && at < body.size(); at += step)
        done = decoder->feed(body.substr(at, step), outcome.out);
    if (done)
        done = decoder->finish(outcome.out);
    if (!done)
        outcome.error = done.error();
    outcome.text = decoder->text();
    return outcome;
}

std::string exception_frame()
{
    return bytes_of("0000008300000064d9bbb06a0d3a6d6573736167652d74797065070009657863657"
                    "074696f6e0f3a657863657074696f6e2d7479706507"
                    "00164c696d69744578636565646564457863657074696f6e0d3a636f6e74656e742"
                    "d747970650700106170706c69636174696f6e2f6a73"
                    "6f6e7b224d657373616765223a2278227d34545912");
}

} // namespace

TEST_CASE("a Transcribe address is presigned as Amazon computes it")
{
    const auto built = aws().build(provider(), upload(), k_then);
    REQUIRE(built);
    CHECK(built->transport == Transport::websocket);
    CHECK(
        built->url.str() ==
        "wss://transcribestreaming.us-east-1.amazonaws.com:8443/stream-transcription-websocket?"
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Ftranscribe%2F"
        "aws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host&language-code="
        "en-US&"
        "media-encoding=pcm&sample-rate=16000&"
        "X-Amz-Signature=0db9203a3b2901dd66d2a9542671dc1760207b2de6fb4c8ff9eec222bd938539");
    auto german = upload(AudioFormat::ogg_opus);
    german.stt.language = "de";
    german.stt.audio.sample_rate = 0;
    const auto local = aws().build(provider("http://127.0.0.1:9004"), german, k_then);
    REQUIRE(local);
    CHECK(local->url.str().starts_with("ws://127.0.0.1:9004/stream-transcription-websocket?"));
    CHECK(local->url.query.contains("language-code=de-DE&media-encoding=ogg-opus&sample-rate=48000"));
    auto apart = provider("http://127.0.0.1:9004");
    apart.endpoints["transcribe_streaming"] = "wss://127.0.0.1:9005";
    CHECK(aws().build(apart, upload(), k_then)->url.authority() == "127.0.0.1:9005");
}

TEST_CASE("an upload becomes frames of at most 32 KiB and an empty one")
{
    const auto encoder = aws().encoder(provider(), upload(AudioFormat::flac));
    std::string out;
    encoder->feed(std::string_view("\x01\x02\x03\x04", 4), out);
    CHECK(out.empty());
    encoder->finish({}, out);
    CHECK(hex_of(out.substr(0, encoder->message_length(out))) ==
          "0000006c000000585c509ce30d3a6d6573736167652d747970650700056576656e740b3a6576656e742d7479706507000a"
          "417564696f"
          "4576656e740d3a636f6e74656e742d747970650700186170706c69636174696f6e2f6f637465742d73747265616d010203"
          "044c67b50e");
    std::string audio;
    for (int i = 0; i < 100000; ++i)
        audio += static_cast<char>(i * 7);
    for (const std::size_t step : {1U, 999U, 200000U}) {
        const auto parts = messages(upload(AudioFormat::flac), audio, step);
        REQUIRE(parts.size() == 5);
        CHECK(parts[0] + parts[1] + parts[2] + parts[3] == audio);
        CHECK(parts[4].empty());
    }
    CHECK(messages(upload(AudioFormat::flac), "", 1) == std::vector<std::string>{""});
}

TEST_CASE("a WAV goes as bare samples: no header, no trailing chunk, no half sample")
{
    for (const std::size_t step : {1U, 43U, 45U, 1000U}) {
        CHECK(messages(upload(), wav("abcdefLISTxx", 6), step)[0] == "abcdef");
        CHECK(messages(upload(), wav("abcdefg", 0xFFFFFFFF), step)[0] == "abcdef");
        CHECK(messages(upload(), wav("abcd", 0), step)[0] == "abcd");
        CHECK(messages(upload(), wav("", 0), step) == std::vector<std::string>{""});
    }
}

TEST_CASE("Amazon's final results become one transcript")
{
    const auto body =
        result("Hello", 0, 0.4, true) + result("Hello world.", 0, 1.2) + result("Bye.", 1.5, 2.25);
    for (const std::size_t step : {1U, 11U, 100000U}) {
        const auto json = decoded(upload(), body, step);
        CHECK_FALSE(json.error);
        CHECK(json.text == "Hello world. Bye.");
        CHECK(json.out == R"({"text":"Hello world. Bye.","usage":{"type":"duration","seconds":3}})");
    }
    auto request = upload();
    request.stt.response_format = "vtt";
    CHECK(decoded(request, body, 100).out == "WEBVTT\n\n00:00:00.000 --> 00:00:01.200\nHello world.\n\n"
                                             "00:00:01.500 --> 00:00:02.250\nBye.\n\n");
    request.stt.response_format = "verbose_json";
    request.stt.granularities = {"word"};
    const auto verbose = *parse_json(decoded(request, body, 100).out);
    CHECK(verbose["words"].size() == 2);
    CHECK(verbose["language"] == "english");
    CHECK(decoded(upload(), "", 1).out == R"({"text":""})");
}

TEST_CASE("a streamed transcription gives each final result at once")
{
    auto request = upload();
    request.stt.stream = true;
    const auto decoder = aws().decoder(provider(), request, {101, {}});
    CHECK(decoder->streams());
    std::string out;
    REQUIRE(decoder->feed(result("Hello.", 0, 1), out));
    CHECK(out == "data: {\"type\":\"transcript.text.delta\",\"delta\":\"Hello.\"}\n\n");
    out.clear();
    REQUIRE(decoder->feed(result("Bye.", 1, 2), out));
    CHECK(out.contains("\"delta\":\" Bye.\""));
    REQUIRE(decoder->finish(out));
    CHECK(out.contains("\"transcript.text.done\",\"text\":\"Hello. Bye.\""));
}

TEST_CASE("an exception in the stream is classed by its name")
{
    const auto failed = decoded(upload(), exception_frame(), 7);
    REQUIRE(failed.error);
    CHECK(failed.error->details.at("exception") == "LimitExceededException");
    const auto failure = stream_failure(*failed.error);
    CHECK(failure.head.status == 0);
    CHECK(failure.body == "{\"Message\":\"x\"}");
    CHECK(aws().classify(failure.head, failure.body).outcome == Outcome::throttled);
    CHECK(aws().classify({}, exception_frame()).outcome == Outcome::throttled);
    CHECK(aws().classify({}, exception_frame()).code == "LimitExceededException");
    const std::vector<EventHeader> headers{{":message-type", EventType::text, "error"},
                                           {":error-code", EventType::text, "UnrecognizedClientException"},
                                           {":error-message", EventType::text, "key AKIAXYZ"}};
    const auto refused = decoded(upload(), encode_event(headers, ""), 1000);
    REQUIRE(refused.error);
    const auto second = stream_failure(*refused.error);
    const auto classified = aws().classify(second.head, second.body);
    CHECK(classified.outcome == Outcome::credential);
    CHECK(classified.message == "the provider refused its credential");
}

TEST_CASE("damaged frames and odd documents are errors or nothing, never a crash")
{
    const auto good = result("Hello", 0, 1);
    CHECK(decoded(upload(), good.substr(0, good.size() - 1), 1000).error);
    auto damaged = good;
    damaged[20] = static_cast<char>(damaged[20] ^ 1);
    CHECK(decoded(upload(), damaged, 1000).error);
    CHECK(decoded(upload(), "<html><body>Bad gateway</body></html>", 1000).error);
    CHECK(decoded(upload(), encode_event("TranscriptEvent", "application/json", "{garbage"), 1000).error);
    for (
        const auto* body :
        {"{}", "[]", "null", R"({"Transcript":7})", R"({"Transcript":{"Results":7}})",
         R"({"Transcript":{"Results":[7,{},{"Alternatives":[]},{"Alternatives":[7]},{"Alternatives":{}}]}})",
         R"({"Transcript":{"Results":[{"StartTime":"x","Alternatives":[{"Transcript":7,"Items":[7]}]}]}})"}) {
        const auto quiet = decoded(upload(), encode_event("TranscriptEvent", "application/json", body), 1000);
        CHECK_FALSE(quiet.error);
        CHECK(quiet.text.empty());
    }
}
