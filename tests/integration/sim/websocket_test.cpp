// SPDX-License-Identifier: Apache-2.0
#include "core/event_stream.hpp"
#include "core/text.hpp"
#include "core/url.hpp"
#include "sim/audio/audio.hpp"
#include "tests/integration/sim/sim_fixture.hpp"
#include "tests/integration/sim/websocket_client.hpp"
#include "tests/support/catch.hpp"

#include <map>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::sim;

namespace {

const HeaderList k_bearer{{"Authorization", "Bearer " + k_openai_key}};

std::string realtime_url(const SimFixture& sim)
{
    return sim.url("openai") + "/v1/realtime?model=gpt-realtime";
}

// Events up to and with the one of the type; their audio is collected.
struct Heard {
    std::map<std::string, int> types;
    std::string audio;
    Json last;
};

Heard read_until(WebSocketClient& socket, std::string_view type)
{
    Heard heard;
    while (const auto message = socket.read()) {
        heard.last = *parse_json(*message);
        const auto name = heard.last["type"].get<std::string>();
        ++heard.types[name];
        if (name == "response.output_audio.delta")
            heard.audio += *base64_decode(heard.last["delta"].get<std::string>());
        if (name == type)
            return heard;
    }
    FAIL("closed before " << type);
    return heard;
}

void say(WebSocketClient& socket, std::string_view text)
{
    const auto audio = make_speech(text, {.format = AudioFormat::pcm});
    for (std::size_t at = 0; at < audio.size(); at += 9600)
        socket.send(dump_json({{"type", "input_audio_buffer.append"},
                               {"audio", base64_encode(std::string_view(audio).substr(at, 9600))}}));
    socket.send(R"({"type":"input_audio_buffer.commit"})");
}

std::string
transcribe_url(const SimFixture& sim, SigV4Credentials key = test_credentials().aws.front(),
               std::string_view parameters = "language-code=en-US&media-encoding=pcm&sample-rate=16000")
{
    const auto url = parse_url(sim.url("aws") + "/stream-transcription-websocket?" + std::string(parameters));
    return presign_url(key, {"us-east-1", "transcribe"}, system_clock().now(), 300s, *url);
}

EventMessage decode(const std::string& frame)
{
    EventDecoder decoder;
    decoder.feed(frame);
    auto message = decoder.next();
    REQUIRE(message);
    REQUIRE(*message);
    return **message;
}

std::string audio_event(std::string_view bytes)
{
    return encode_event("AudioEvent", "application/octet-stream", bytes);
}

} // namespace

TEST_CASE("Realtime transcribes what is said and speaks an answer")
{
    SimFixture sim;
    WebSocketClient socket{realtime_url(sim), k_bearer};
    REQUIRE(socket.status() == 101);
    CHECK(read_until(socket, "session.created").last["session"]["model"] == "gpt-realtime");
    say(socket, "Hello there.");
    CHECK(read_until(socket, "conversation.item.input_audio_transcription.completed").last["transcript"] ==
          "Hello there.");
    const auto heard = read_until(socket, "response.done");
    CHECK(heard.types.at("response.output_audio.delta") > 1);
    CHECK(read_audio(heard.audio).text == "You said: Hello there.");
    CHECK(heard.last["response"]["status"] == "completed");
    CHECK(heard.last["response"]["usage"]["total_tokens"].get<int>() > 0);
}

TEST_CASE("Realtime without turn detection answers when it is asked to, in text if wanted")
{
    SimFixture sim;
    WebSocketClient socket{realtime_url(sim),
                           {{"Sec-WebSocket-Protocol", "realtime, openai-insecure-api-key." + k_openai_key}}};
    REQUIRE(socket.status() == 101);
    CHECK(socket.header("Sec-WebSocket-Protocol") == "realtime");
    socket.send(R"({"type":"session.update","session":{"audio":{"input":{"turn_detection":null}}}})");
    CHECK(
        read_until(socket, "session.updated").last["session"]["audio"]["input"]["turn_detection"].is_null());
    say(socket, "One.");
    read_until(socket, "conversation.item.input_audio_transcription.completed");
    socket.send(R"({"type":"response.create","response":{"output_modalities":["text"]}})");
    const auto heard = read_until(socket, "response.done");
    CHECK(heard.types.contains("response.output_text.done"));
    CHECK_FALSE(heard.types.contains("response.output_audio.delta"));
}

TEST_CASE("Realtime answers nonsense with error events and stays open")
{
    SimFixture sim;
    WebSocketClient socket{realtime_url(sim), k_bearer};
    for (const auto* bad :
         {"{", R"({"event_id":"e1"})", R"({"type":"nothing"})", R"({"type":"input_audio_buffer.commit"})",
          R"({"type":"input_audio_buffer.append","audio":"%%%"})", R"({"type":"session.update"})"}) {
        socket.send(bad);
        CHECK(read_until(socket, "error").last["error"]["type"] == "invalid_request_error");
    }
}

TEST_CASE("Realtime refuses wrong keys before the upgrade and closes with the code that is asked for")
{
    SimFixture sim;
    WebSocketClient refused{realtime_url(sim), {{"Authorization", "Bearer wrong"}}};
    CHECK(refused.status() == 401);
    sim.fault("openai", R"({"throttle":true})");
    WebSocketClient throttled{realtime_url(sim), k_bearer};
    CHECK(throttled.status() == 429);
    sim.fault("openai",
              R"({"throttle":null,"ws_close_code":4000,"ws_close_reason":"enough","ws_close_after":1})");
    WebSocketClient closed{realtime_url(sim), k_bearer};
    REQUIRE(closed.status() == 101);
    CHECK(closed.read());
    closed.send("{}");
    CHECK_FALSE(closed.read());
    CHECK(closed.close_code() == 4000);
    CHECK(closed.close_reason() == "enough");
    sim.fault("openai", R"({"ws_close_code":null,"ws_close_after":null,"cut_after_bytes":10})");
    WebSocketClient cut{realtime_url(sim), k_bearer};
    CHECK_FALSE(cut.read());
    CHECK(cut.close_code() == 0);
}

TEST_CASE("A provider that goes down takes its WebSockets along")
{
    SimFixture sim;
    WebSocketClient socket{realtime_url(sim), k_bearer};
    read_until(socket, "session.created");
    CHECK(sim.counters("openai")["in_flight"] == 1);
    sim.fault("openai", R"({"down":true})");
    CHECK_FALSE(socket.read());
    CHECK(sim.eventually([&] { return sim.counters("openai")["in_flight"] == 0; }));
}

TEST_CASE("Transcribe streams partial results and the final transcript of PCM")
{
    SimFixture sim;
    WebSocketClient socket{transcribe_url(sim), {}};
    REQUIRE(socket.status() == 101);
    CHECK_FALSE(socket.header("x-amzn-RequestId").empty());
    const std::string text = "This is a sentence that takes some three seconds to say.";
    const auto audio = make_speech(text, {.format = AudioFormat::pcm, .rate = 16000});
    for (std::size_t at = 0; at < audio.size(); at += 6400)
        socket.send(audio_event(std::string_view(audio).substr(at, 6400)), true);
    socket.send(audio_event(""), true);
    int partial = 0;
    std::string heard;
    while (const auto frame = socket.read()) {
        const auto message = decode(*frame);
        CHECK(message.text(":event-type") == "TranscriptEvent");
        const auto result = (*parse_json(message.payload))["Transcript"]["Results"][0];
        if (result["IsPartial"] == true)
            ++partial;
        else
            heard += result["Alternatives"][0]["Transcript"].get<std::string>();
    }
    CHECK(partial >= 2);
    CHECK(heard == text);
    CHECK(socket.close_code() == 1000);
}

TEST_CASE("Transcribe reports wrong keys, parameters and frames as exceptions after the upgrade")
{
    SimFixture sim;
    const auto exception = [](WebSocketClient& socket) {
        REQUIRE(socket.status() == 101);
        const auto frame = socket.read();
        REQUIRE(frame);
        const auto type = std::string(decode(*frame).text(":exception-type"));
        CHECK_FALSE(socket.read());
        return type;
    };
    WebSocketClient unknown{transcribe_url(sim, {"AKIDOTHER", "x", {}}), {}};
    CHECK(exception(unknown) == "UnrecognizedClientException");
    WebSocketClient forged{transcribe_url(sim, {"AKIDSIMTESTKEY", "x", {}}), {}};
    CHECK(exception(forged) == "BadRequestException");
    WebSocketClient rate{transcribe_url(sim, test_credentials().aws.front(),
                                        "language-code=en-US&media-encoding=pcm&sample-rate=1"),
                         {}};
    CHECK(exception(rate) == "BadRequestException");
    for (const bool binary : {false, true}) {
        WebSocketClient garbage{transcribe_url(sim), {}};
        garbage.send("garbage", binary);
        CHECK(exception(garbage) == "BadRequestException");
    }
}
