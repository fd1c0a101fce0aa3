// SPDX-License-Identifier: Apache-2.0
#include "core/text.hpp"
#include "sim/audio/audio.hpp"
#include "tests/integration/sim/sim_fixture.hpp"
#include "tests/support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::sim;

namespace {

Json body_of(const HttpResponse& response)
{
    auto body = parse_json(response.body);
    REQUIRE(body);
    return *std::move(body);
}

std::string speech_request(std::string_view format)
{
    return dump_json(
        {{"model", "tts-1"}, {"input", "Hello there."}, {"voice", "nova"}, {"response_format", format}});
}

} // namespace

TEST_CASE("OpenAI speech in every format can be transcribed back")
{
    SimFixture sim;
    for (const auto* format : {"mp3", "opus", "aac", "flac", "wav", "pcm"}) {
        INFO(format);
        const auto speech = sim.openai("/v1/audio/speech", speech_request(format));
        REQUIRE(speech.status == 200);
        CHECK(speech.header("content-type") ==
              "audio/" + std::string(std::string_view(format) == "mp3" ? "mpeg" : format));
        CHECK(speech.header("transfer-encoding") == "chunked");
        const auto heard = sim.transcribe(speech.body, {{"model", "whisper-1"}}, "speech.mp3");
        REQUIRE(heard.status == 200);
        CHECK(body_of(heard)["text"] == "Hello there.");
        CHECK(body_of(heard)["usage"]["type"] == "duration");
        CHECK_FALSE(heard.header("x-request-id").empty());
    }
}

TEST_CASE("OpenAI answers transcriptions in each response format")
{
    SimFixture sim;
    const auto wav = make_speech("One sentence. And another.", {.format = AudioFormat::wav});
    const auto ask = [&](const std::string& format) {
        return sim.transcribe(wav, {{"model", "whisper-1"}, {"response_format", format}});
    };
    CHECK(ask("text").body == "One sentence. And another.\n");
    CHECK(ask("srt").body.starts_with("1\n00:00:00,000 --> 00:00:00,780\nOne sentence.\n\n2\n"));
    CHECK(ask("vtt").body.starts_with("WEBVTT\n\n00:00:00.000 --> 00:00:00.780\nOne sentence.\n\n"));
    const auto verbose = body_of(ask("verbose_json"));
    CHECK(verbose["segments"].size() == 2);
    CHECK(verbose["language"] == "english");
    CHECK_FALSE(verbose.contains("words"));
    const auto words = body_of(sim.transcribe(wav, {{"model", "whisper-1"},
                                                    {"response_format", "verbose_json"},
                                                    {"timestamp_granularities[]", "word"}}));
    CHECK(words["words"].size() == 4);
    const auto diarized = body_of(
        sim.transcribe(wav, {{"model", "gpt-4o-transcribe-diarize"}, {"response_format", "diarized_json"}}));
    CHECK(diarized["segments"][1]["speaker"] == "B");
    CHECK(sim.transcribe(wav, {{"model", "gpt-4o-transcribe"}, {"response_format", "srt"}}).status == 400);
}

TEST_CASE("Only the gpt-4o family streams transcriptions")
{
    SimFixture sim;
    const auto wav = make_speech("Hello there.", {.format = AudioFormat::wav});
    const auto streamed = sim.transcribe(wav, {{"model", "gpt-4o-transcribe"}, {"stream", "true"}});
    CHECK(streamed.header("content-type").starts_with("text/event-stream"));
    CHECK(streamed.body.contains(R"("type":"transcript.text.delta","delta":"Hello")"));
    CHECK(streamed.body.contains(R"("type":"transcript.text.done","text":"Hello there.")"));
    const auto whole = sim.transcribe(wav, {{"model", "whisper-1"}, {"stream", "true"}});
    CHECK(whole.header("content-type") == "application/json");
}

TEST_CASE("OpenAI translates, chats and lists its models")
{
    SimFixture sim;
    const auto wav = make_speech("Guten Tag.", {.format = AudioFormat::wav});
    CHECK(body_of(sim.transcribe(wav, {{"model", "whisper-1"}}, "a.wav", "/v1/audio/translations"))["text"] ==
          "Guten Tag.");
    const auto chat = sim.openai("/v1/chat/completions",
                                 R"({"model":"gpt-4o","messages":[{"role":"user","content":"hi there"}]})");
    CHECK(body_of(chat)["choices"][0]["message"]["content"] == "You said: hi there");
    const auto streamed = sim.openai(
        "/v1/chat/completions",
        R"({"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]})");
    CHECK(streamed.body.ends_with("data: [DONE]\n\n"));
    CHECK(streamed.body.contains("\"usage\":{"));
    const HeaderList key{{"Authorization", "Bearer " + k_openai_key}};
    CHECK(body_of(sim.get(sim.url("openai") + "/v1/models", key))["object"] == "list");
    CHECK(body_of(sim.get(sim.url("openai") + "/v1/models/whisper-1", key))["id"] == "whisper-1");
    CHECK(sim.get(sim.url("openai") + "/v1/models/nothing", key).status == 404);
    CHECK(sim.get(sim.url("openai") + "/v1/nothing", key).status == 404);
}

TEST_CASE("OpenAI speech as events carries the same audio")
{
    SimFixture sim;
    const auto answer =
        sim.openai("/v1/audio/speech",
                   R"({"model":"gpt-4o-mini-tts","input":"Hi.","voice":"nova","stream_format":"sse"})");
    CHECK(answer.body.contains("\"type\":\"speech.audio.delta\""));
    CHECK(answer.body.contains("\"type\":\"speech.audio.done\""));
}

TEST_CASE("OpenAI refuses bad requests in its own words")
{
    SimFixture sim;
    const auto code = [](const HttpResponse& response) { return body_of(response)["error"]["code"]; };
    CHECK(code(sim.openai("/v1/audio/speech", R"({"model":"nope","input":"x","voice":"nova"})")) ==
          "model_not_found");
    const auto text = dump_json({{"model", "tts-1"}, {"input", std::string(4097, 'x')}, {"voice", "nova"}});
    CHECK(code(sim.openai("/v1/audio/speech", text)) == "string_above_max_length");
    for (const auto* bad :
         {"{", "[]", R"({"model":"tts-1","input":"x"})", R"({"model":"tts-1","input":"x","voice":"bob"})",
          R"({"model":"tts-1","input":"x","voice":"nova","speed":9})",
          R"({"model":"tts-1","input":"x","voice":"nova","response_format":"ogg"})"})
        CHECK(sim.openai("/v1/audio/speech", bad).status == 400);
    CHECK(body_of(sim.transcribe("abc", {{"model", "whisper-1"}}, "a.txt"))["error"]["message"]
              .get<std::string>()
              .starts_with("Invalid file format."));
    CHECK(sim.transcribe("", {{"model", "whisper-1"}}).status == 400);
    CHECK(sim.transcribe("abc", {}).status == 400);
    const auto large = sim.transcribe(std::string(26214401, 'x'), {{"model", "whisper-1"}});
    CHECK(large.status == 413);
    CHECK(body_of(large)["error"]["message"] ==
          "Maximum content size limit (26214400) exceeded (26214401 bytes read)");
}

TEST_CASE("Each provider refuses missing and wrong credentials as it does in reality")
{
    SimFixture sim;
    const auto bearer = [](const std::string& key) { return HeaderList{{"Authorization", "Bearer " + key}}; };
    CHECK(sim.get(sim.url("openai") + "/v1/models").status == 401);
    CHECK(body_of(sim.get(sim.url("openai") + "/v1/models", bearer("wrong")))["error"]["code"] ==
          "invalid_api_key");
    CHECK(sim.get(sim.url("local") + "/v1/models", bearer(k_openai_key)).status == 401);
    CHECK(sim.get(sim.url("local") + "/v1/models", bearer("local-key")).status == 200);

    const auto voices = sim.url("google") + "/v1/voices";
    CHECK(sim.get(voices).status == 403);
    const auto wrong = sim.get(voices + "?key=wrong");
    CHECK(wrong.status == 400);
    CHECK(body_of(wrong)["error"]["details"][0]["reason"] == "API_KEY_INVALID");
    CHECK(sim.get(voices, bearer("wrong")).status == 401);
    CHECK(sim.get(voices + "?key=" + k_google_key).status == 200);
    CHECK(sim.get(voices, {{"X-Goog-Api-Key", k_google_key}}).status == 200);
    CHECK(sim.get(voices, bearer(k_google_key)).status == 200);

    CHECK(sim.get(sim.url("aws") + "/v1/voices")
              .header("x-amzn-errortype")
              .starts_with("MissingAuthenticationToken"));
    const auto refused = [&](const SigV4Credentials& key, std::string_view service) {
        const auto response = sim.aws("GET", "/v1/voices", "", service, {}, key);
        CHECK(response.status == 403);
        const auto type = response.header("x-amzn-errortype");
        return type.substr(0, type.find(':'));
    };
    CHECK(refused({"AKIDOTHER", "secret", {}}, "polly") == "UnrecognizedClientException");
    CHECK(refused({"AKIDSIMTESTKEY", "wrong", {}}, "polly") == "InvalidSignatureException");
    CHECK(refused(test_credentials().aws.front(), "s3") == "InvalidSignatureException");
    auto with_token = test_credentials().aws.front();
    with_token.session_token = "unexpected";
    CHECK(refused(with_token, "polly") == "UnrecognizedClientException");
    const auto counters = sim.counters("aws");
    CHECK(counters["by_key"]["refused"] == 5);
}

TEST_CASE("Google synthesizes in its encodings and recognizes what it synthesized")
{
    SimFixture sim;
    const HeaderList headers{{"X-Goog-Api-Key", k_google_key}, {"Content-Type", "application/json"}};
    for (const auto* encoding : {"LINEAR16", "MP3", "OGG_OPUS", "MULAW", "ALAW", "PCM"}) {
        INFO(encoding);
        const auto speech =
            sim.post(sim.url("google") + "/v1/text:synthesize",
                     dump_json({{"input", {{"text", "How old is it? Very old."}}},
                                {"voice", {{"languageCode", "en-US"}}},
                                {"audioConfig", {{"audioEncoding", encoding}, {"sampleRateHertz", 16000}}}}),
                     headers);
        REQUIRE(speech.status == 200);
        const std::string name = encoding;
        const auto config = name == "PCM"                                             ? "LINEAR16"
                            : name == "MULAW" || name == "ALAW" || name == "LINEAR16" ? "ENCODING_UNSPECIFIED"
                                                                                      : name;
        const auto heard =
            body_of(sim.post(sim.url("google") + "/v1/speech:recognize",
                             dump_json({{"config",
                                         {{"encoding", config},
                                          {"sampleRateHertz", 16000},
                                          {"languageCode", "en-US"},
                                          {"enableWordTimeOffsets", true}}},
                                        {"audio", {{"content", body_of(speech)["audioContent"]}}}}),
                             headers));
        REQUIRE(heard["results"].size() == 2);
        CHECK(heard["results"][0]["alternatives"][0]["transcript"] == "How old is it?");
        CHECK(heard["results"][1]["alternatives"][0]["transcript"] == " Very old.");
        CHECK(heard["results"][0]["alternatives"][0]["words"].size() == 4);
        CHECK(heard["totalBilledTime"] == "2s");
    }
    const auto refused = [&](const Json& body, const char* path) {
        return sim.post(sim.url("google") + path, dump_json(body), headers).status;
    };
    CHECK(refused({{"input", {{"text", std::string(5001, 'x')}}},
                   {"voice", {{"languageCode", "en-US"}}},
                   {"audioConfig", {{"audioEncoding", "MP3"}}}},
                  "/v1/text:synthesize") == 400);
    CHECK(refused({{"config", {{"languageCode", "en-US"}}}, {"audio", {{"content", "%%%"}}}},
                  "/v1/speech:recognize") == 400);
}

TEST_CASE("Polly speaks, counts characters and refuses what Polly refuses")
{
    SimFixture sim;
    const auto ask = [&](Json changes) {
        Json body{{"OutputFormat", "mp3"}, {"Text", "Hello there."}, {"VoiceId", "Joanna"}};
        body.update(changes);
        return sim.aws("POST", "/v1/speech", dump_json(body), "polly",
                       {{"Content-Type", "application/json"}});
    };
    for (const auto* format : {"mp3", "ogg_opus", "pcm"}) {
        const auto speech = ask({{"OutputFormat", format}});
        REQUIRE(speech.status == 200);
        CHECK(speech.header("x-amzn-requestcharacters") == "12");
        CHECK(read_audio(speech.body, 16000).text == "Hello there.");
    }
    const auto ssml =
        ask({{"TextType", "ssml"}, {"Text", "<speak><prosody rate=\"200%\">a &amp; b</prosody></speak>"}});
    CHECK(read_audio(ssml.body).text == "a & b");
    const auto type = [&](Json changes) {
        const auto text = ask(std::move(changes)).header("x-amzn-errortype");
        return text.substr(0, text.find(':'));
    };
    CHECK(type({{"Text", std::string(3001, 'x')}}) == "TextLengthExceededException");
    CHECK(type({{"VoiceId", "Nobody"}}) == "ValidationException");
    CHECK(type({{"OutputFormat", "flac"}}) == "ValidationException");
    CHECK(type({{"OutputFormat", "pcm"}, {"SampleRate", "24000"}}) == "InvalidSampleRateException");
    CHECK(type({{"TextType", "ssml"}, {"Text", "<speak>a < b</speak>"}}) == "InvalidSsmlException");
    CHECK(type({{"VoiceId", "Nicole"}, {"Engine", "neural"}}) == "EngineNotSupportedException");
    const auto jobs =
        sim.aws("POST", "/", "{}", "transcribe",
                {{"Content-Type", "application/x-amz-json-1.1"},
                 {"X-Amz-Target", "com.amazonaws.transcribe.Transcribe.ListTranscriptionJobs"}});
    CHECK(body_of(jobs)["TranscriptionJobSummaries"].empty());
}

TEST_CASE("The counters tell clients from probes and name routes and callers")
{
    SimFixture sim;
    sim.speak();
    sim.get(sim.url("openai") + "/v1/models", {{"Authorization", "Bearer " + k_openai_key}});
    sim.get(sim.url("openai") + "/nowhere");
    auto counters = sim.counters("openai");
    CHECK(counters["requests"] == 3);
    CHECK(counters["client_requests"] == 1);
    CHECK(counters["probe_requests"] == 1);
    CHECK(counters["by_route"]["speech"] == 1);
    CHECK(counters["by_route"]["unknown"] == 1);
    CHECK(counters["by_key"]["refused"] == 1);
    CHECK(counters["in_flight"] == 0);
    CHECK(counters["connections_opened"] == 1);
    CHECK(counters["connections_open"] == 1);
    CHECK_FALSE(dump_json(counters).contains(k_openai_key));
    CHECK(sim.post(sim.control() + "/counters/reset", "", {}).status == 200);
    counters = sim.counters("openai");
    CHECK(counters["requests"] == 0);
    CHECK(counters["by_route"].empty());
}

TEST_CASE("The bench route answers as many bytes as asked, whatever is sent, and is not counted")
{
    SimFixture sim{2};
    const auto url = sim.url("google") + "/bench/";
    CHECK(sim.get(url + "10").body == "xxxxxxxxxx");
    CHECK(sim.get(url + "0").body.empty());
    CHECK(sim.post(url + "3000000", std::string(2000000, 'y'), {}).body.size() == 3000000);
    CHECK(sim.counters("google")["requests"] == 0);
}
