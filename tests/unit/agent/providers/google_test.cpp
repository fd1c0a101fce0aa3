// SPDX-License-Identifier: Apache-2.0
#include "agent/providers/adapter.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "tests/support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::agent;

namespace {

const Adapter& google()
{
    return adapter_for(ProviderKind::google);
}

ProviderConfig provider()
{
    ProviderConfig out;
    out.name = "google";
    out.kind = ProviderKind::google;
    out.key = "AIzaSecret";
    return out;
}

ClientRequest speech(std::string format = "mp3")
{
    ClientRequest request;
    request.operation = Operation::speech;
    request.speech.model = "tts-1";
    request.speech.input = "Hello";
    request.speech.voice = "alloy";
    request.speech.format = std::move(format);
    return request;
}

ClientRequest upload(AudioFormat format = AudioFormat::wav)
{
    ClientRequest request;
    request.stt.model = "whisper-1";
    request.stt.audio.format = format;
    return request;
}

std::string value_of(const HeaderList& headers, std::string_view name)
{
    for (const auto& [key, value] : headers)
        if (key == name)
            return value;
    return {};
}

Json encoded(const ClientRequest& request, std::string_view audio, const ProviderConfig& config = provider())
{
    const auto encoder = google().encoder(config, request);
    REQUIRE(encoder);
    CHECK(encoder->input() == BodyEncoder::Input::audio);
    auto body = encoder->begin();
    for (std::size_t at = 0; at < audio.size(); at += 5)
        encoder->feed(audio.substr(at, 5), body);
    encoder->finish(request.stt, body);
    const auto parsed = parse_json(body);
    REQUIRE(parsed);
    return *parsed;
}

struct Decoded {
    std::string out, error;
    std::optional<double> seconds;
    std::string text;
};

Decoded decoded(const ClientRequest& request, std::string_view body, std::size_t step)
{
    Decoded result;
    const auto decoder = google().decoder(provider(), request, {200, {}});
    REQUIRE(decoder);
    Result<> done;
    for (std::size_t at = 0; done && at < body.size(); at += step)
        done = decoder->feed(body.substr(at, step), result.out);
    if (done)
        done = decoder->finish(result.out);
    if (!done)
        result.error = done.error().message;
    result.seconds = decoder->audio_seconds();
    result.text = decoder->text();
    return result;
}

const std::string k_answer = R"({"results":[{"alternatives":[{"transcript":"how old is the Brooklyn Bridge",
 "confidence":0.98267895,"words":[{"startTime":"0s","endTime":"0.300s","word":"how","confidence":0.98,"speakerTag":0}]}],
 "channelTag":1,"resultEndTime":"1.770s","languageCode":"en-us"},
 {"alternatives":[{"transcript":" and how tall"}],"resultEndTime":"2.5s","languageCode":"en-us"}],
 "totalBilledTime":"3s","requestId":"1234567890123456789"})";

Classified classify(int status, std::string_view body)
{
    return google().classify({status, {}}, body);
}

std::string error_body(int code, std::string_view status, std::string_view reason,
                       std::string_view message = "m")
{
    return dump_json(
        {{"error",
          {{"code", code},
           {"message", message},
           {"status", status},
           {"details",
            Json::array(
                {{{"@type", "type.googleapis.com/google.rpc.ErrorInfo"}, {"reason", reason}},
                 {{"@type", "type.googleapis.com/google.rpc.RetryInfo"}, {"retryDelay", "17s"}}})}}}});
}

} // namespace

TEST_CASE("Google's recognition body is the audio in base64, then the configuration")
{
    const auto body = encoded(upload(), "RIFF audio bytes");
    CHECK(base64_decode(body["audio"]["content"].get<std::string>()) == "RIFF audio bytes");
    CHECK(body["config"]["languageCode"] == "en-US");
    CHECK_FALSE(body["config"].contains("encoding"));
    CHECK_FALSE(body["config"].contains("model"));
    CHECK_FALSE(body["config"].contains("enableWordTimeOffsets"));
}

TEST_CASE("Google's recognition configuration follows the request")
{
    auto request = upload(AudioFormat::mp3);
    request.stt.audio.sample_rate = 22050;
    request.stt.audio.channels = 2;
    request.stt.language = "de";
    request.stt.prompt = "Conduit";
    request.stt.response_format = "srt";
    request.stt.model = "latest_long";
    const auto config = encoded(request, "x")["config"];
    CHECK(config["encoding"] == "MP3");
    CHECK(config["sampleRateHertz"] == 22050);
    CHECK(config["audioChannelCount"] == 2);
    CHECK(config["languageCode"] == "de-DE");
    CHECK(config["model"] == "latest_long");
    CHECK(config["enableWordTimeOffsets"] == true);
    CHECK(config["speechContexts"][0]["phrases"][0] == "Conduit");
    auto opus = upload(AudioFormat::ogg_opus);
    opus.stt.audio.sample_rate = 44100;
    CHECK(encoded(opus, "x")["config"]["sampleRateHertz"] == 48000);
    auto fixed = provider();
    fixed.models[Operation::transcription] = "telephony";
    CHECK(encoded(upload(), "x", fixed)["config"]["model"] == "telephony");
}

TEST_CASE("Google's addresses and keys")
{
    const auto stt = google().build(provider(), upload(), {});
    REQUIRE(stt);
    CHECK(stt->url.str() == "https://speech.googleapis.com/v1/speech:recognize");
    CHECK(value_of(stt->headers, "X-Goog-Api-Key") == "AIzaSecret");
    CHECK_FALSE(stt->body);
    auto token = provider();
    token.key = "ya29.token";
    token.endpoint = "http://127.0.0.1:9002";
    const auto tts = google().build(token, speech(), {});
    REQUIRE(tts);
    CHECK(tts->url.str() == "http://127.0.0.1:9002/v1/text:synthesize");
    CHECK(value_of(tts->headers, "Authorization") == "Bearer ya29.token");
    CHECK(value_of(tts->headers, "X-Goog-Api-Key").empty());
    token.endpoints["tts"] = "http://127.0.0.1:9003/";
    CHECK(google().build(token, speech(), {})->url.port == 9003);
    CHECK(google().probe(provider(), {}).request.url.str() ==
          "https://texttospeech.googleapis.com/v1/voices?languageCode=en-US");
    CHECK_FALSE(google().realtime(provider(), "m", {}));
}

TEST_CASE("Google's synthesis body follows the request")
{
    auto request = speech("wav");
    request.speech.speed = 1.25;
    request.speech.input = "Grüße \"du\"";
    const auto body = parse_json(*google().build(provider(), request, {})->body);
    REQUIRE(body);
    CHECK((*body)["input"]["text"] == "Grüße \"du\"");
    CHECK((*body)["voice"]["languageCode"] == "en-US");
    CHECK((*body)["voice"]["name"] == "en-US-Neural2-C");
    CHECK((*body)["audioConfig"]["audioEncoding"] == "LINEAR16");
    CHECK((*body)["audioConfig"]["sampleRateHertz"] == 24000);
    CHECK((*body)["audioConfig"]["speakingRate"] == 1.25);
    auto german = provider();
    german.default_language = "de-DE";
    german.voices["nova"] = "de-DE-Chirp3-HD-Charon";
    const auto voice = [&](std::string name) {
        request.speech.voice = std::move(name);
        return (*parse_json(*google().build(german, request, {})->body))["voice"];
    };
    CHECK(voice("nova")["name"] == "de-DE-Chirp3-HD-Charon");
    CHECK(voice("nova")["languageCode"] == "de-DE");
    CHECK(voice("onyx")["ssmlGender"] == "MALE");
    CHECK(voice("fr-FR-Neural2-A")["languageCode"] == "fr-FR");
}

TEST_CASE("what Google cannot do is said before anything is sent")
{
    const auto reason = [](const ClientRequest& request) {
        return google().unsupported(provider(), request);
    };
    CHECK(reason(speech("opus")).empty());
    CHECK(reason(speech("aac")) == "aac is not offered by google");
    CHECK(reason(speech("flac")) == "flac is not offered by google");
    auto fast = speech();
    fast.speech.speed = 2.5;
    CHECK(reason(fast) == "speed above 2 is not offered by google");
    auto unknown = speech();
    unknown.speech.voice = "voice_1234";
    CHECK(reason(unknown) == "voice 'voice_1234' is not offered by google");
    auto long_text = speech();
    long_text.speech.input = std::string(5001, 'x');
    CHECK_FALSE(reason(long_text).empty());
    auto events = speech();
    events.speech.stream_format = "sse";
    CHECK_FALSE(reason(events).empty());
    CHECK(reason(upload()).empty());
    for (const auto format :
         {AudioFormat::mp4, AudioFormat::aac_adts, AudioFormat::ogg_vorbis, AudioFormat::unknown})
        CHECK_FALSE(reason(upload(format)).empty());
    auto big = upload();
    big.stt.upload_bytes = 10'000'001;
    CHECK_FALSE(reason(big).empty());
    auto lasting = upload();
    lasting.stt.audio.seconds = 61;
    CHECK_FALSE(reason(lasting).empty());
    auto translation = upload();
    translation.operation = Operation::translation;
    CHECK(reason(translation) == "translation is not offered by google");
    CHECK_FALSE(google().build(provider(), translation, {}));
}

TEST_CASE("Google's results become one transcript in the format asked for")
{
    for (const std::size_t step : {1U, 7U, 10000U}) {
        const auto json = decoded(upload(), k_answer, step);
        CHECK(json.out == R"({"text":"how old is the Brooklyn Bridge and how tall",)"
                          R"("usage":{"type":"duration","seconds":3}})");
        CHECK(json.seconds == 3.0);
        CHECK(json.text == "how old is the Brooklyn Bridge and how tall");
    }
    auto request = upload();
    request.stt.response_format = "srt";
    CHECK(decoded(request, k_answer, 100).out ==
          "1\n00:00:00,000 --> 00:00:01,770\nhow old is the Brooklyn Bridge\n\n"
          "2\n00:00:01,770 --> 00:00:02,500\nand how tall\n\n");
    request.stt.response_format = "verbose_json";
    request.stt.granularities = {"word"};
    const auto verbose = *parse_json(decoded(request, k_answer, 100).out);
    CHECK(verbose["language"] == "english");
    CHECK(verbose["words"][0]["end"] == 0.3);
    request.stt.response_format = "json";
    request.stt.stream = true;
    const auto events = decoded(request, k_answer, 100).out;
    CHECK(events.starts_with("data: {\"type\":\"transcript.text.delta\",\"delta\":\"how old"));
    CHECK(events.contains("data: {\"type\":\"transcript.text.done\""));
}

TEST_CASE("silence is an empty text, not an error")
{
    for (const auto* body : {"{}", R"({"totalBilledTime":"0s","requestId":"1"})", R"({"results":[]})",
                             R"({"results":[{"alternatives":[]},{}]})"}) {
        const auto silent = decoded(upload(), body, 100);
        CHECK(silent.error.empty());
        CHECK((*parse_json(silent.out))["text"] == "");
    }
}

TEST_CASE("a damaged transcript is an error, never a crash")
{
    for (const auto& body : {std::string(), std::string("<html>"), k_answer.substr(0, 100), std::string("[]"),
                             std::string("\xFF"), std::string(5000, '['),
                             std::string(R"({"error":{"message":"x"}})"), std::string(R"({"error":1})")})
        CHECK_FALSE(decoded(upload(), body, 1000).error.empty());
    for (
        const auto* body :
        {R"({"results":7})", R"({"results":[7,null,{"alternatives":7},{"alternatives":[7]}]})",
         R"({"results":[{"alternatives":[{"transcript":7,"words":[7,{"startTime":"x"}]}],"resultEndTime":"1e999s"}]})",
         R"({"totalBilledTime":"-"})"})
        CHECK(decoded(upload(), body, 1000).error.empty());
    const auto decoder = google().decoder(provider(), upload(), {200, {}});
    std::string out;
    Result<> fed;
    for (int i = 0; fed && i < 100; ++i)
        fed = decoder->feed(std::string(1U << 20U, ' '), out);
    CHECK_FALSE(fed);
}

TEST_CASE("Google's speech is decoded while it arrives")
{
    std::string audio;
    for (int i = 0; i < 1000; ++i)
        audio += static_cast<char>(i * 31);
    const auto content = base64_encode(audio);
    for (const auto& body :
         {"{\"audioContent\":\"" + content + "\"}",
          "{\n  \"timepoints\": [{\"audioContent\": \"AAAA\"}], \"x\":\"audioContent\",\n"
          "  \"audioContent\" : \"" +
              content + "\",\"audioConfig\":{}}\n",
          "{\"audioContent\":\"" + replace_all(replace_all(content, "/", "\\/"), "=", "\\u003d") + "\"}"})
        for (const std::size_t step : {1U, 3U, 64U, 5000U}) {
            const auto speech_out = decoded(speech(), body, step);
            CHECK(speech_out.error.empty());
            CHECK(speech_out.out == audio);
        }
    const auto decoder = google().decoder(provider(), speech(), {200, {}});
    CHECK(decoder->streams());
    CHECK(decoder->content_type() == "audio/mpeg");
    std::string out;
    REQUIRE(decoder->feed("{\"audioContent\":\"" + content.substr(0, 400), out));
    CHECK(out == audio.substr(0, 300));
}

TEST_CASE("speech that is no speech is an error")
{
    const auto error = [](std::string_view body) { return decoded(speech(), body, 7).error; };
    CHECK(error("") == "the provider's answer holds no audio");
    CHECK(error("{}") == "the provider's answer holds no audio");
    CHECK(error(R"({"error":{"code":503,"message":"try later"}})").ends_with("no audio: try later"));
    CHECK(error(R"({"audioContent":"QUJD)").ends_with("in the middle of the audio"));
    CHECK(error(R"({"audioContent":"QU?D"})") == "the provider sent damaged base64");
    CHECK(error(R"({"audioContent":"QU\nD"})") == "the provider sent damaged base64");
    CHECK(error("<html>no</html>").ends_with("not a JSON object"));
    CHECK(error(R"({"audioContent":7})").ends_with("holds no audio"));
    CHECK(error("{\"x\":\"" + std::string(100000, 'x')).ends_with("where it should begin"));
}

TEST_CASE("Google's errors are classed by reason before status")
{
    struct Case {
        int status;
        std::string body;
        Outcome outcome;
    };
    const std::vector<Case> cases{
        {200, "", Outcome::ok},
        {400, error_body(400, "INVALID_ARGUMENT", ""), Outcome::client_error},
        {400, error_body(400, "INVALID_ARGUMENT", "API_KEY_INVALID", "API key not valid."),
         Outcome::credential},
        {400, error_body(400, "INVALID_ARGUMENT", "", "Sync input too long. For audio longer than 1 min use"),
         Outcome::unsupported},
        {400, error_body(400, "INVALID_ARGUMENT", "", "Voice 'x' does not exist. Is it misspelled?"),
         Outcome::unsupported},
        {401, error_body(401, "UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED"), Outcome::credential},
        {403, error_body(403, "PERMISSION_DENIED", "SERVICE_DISABLED"), Outcome::credential},
        {403, error_body(403, "PERMISSION_DENIED", "BILLING_DISABLED"), Outcome::quota},
        {429, error_body(429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"), Outcome::throttled},
        {429, error_body(429, "RESOURCE_EXHAUSTED", "RESOURCE_QUOTA_EXCEEDED"), Outcome::quota},
        {409, error_body(409, "ABORTED", ""), Outcome::transient},
        {499, error_body(499, "CANCELLED", ""), Outcome::transient},
        {503, error_body(503, "UNAVAILABLE", ""), Outcome::transient},
        {504, error_body(504, "DEADLINE_EXCEEDED", ""), Outcome::transient},
        {502, "<!DOCTYPE html><title>502</title>", Outcome::transient},
        {501, "", Outcome::unsupported},
        {500, "[{\"error\":{\"code\":500}}]", Outcome::transient},
        {0, error_body(429, "RESOURCE_EXHAUSTED", ""), Outcome::throttled},
    };
    for (const auto& c : cases) {
        INFO(c.status << " " << c.body);
        CHECK(classify(c.status, c.body).outcome == c.outcome);
    }
    const auto throttled = classify(429, error_body(429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"));
    CHECK(throttled.retry_after == 17s);
    CHECK(throttled.code == "RATE_LIMIT_EXCEEDED");
    CHECK(classify(400, error_body(400, "INVALID_ARGUMENT", "API_KEY_INVALID", "key AIzaX")).message ==
          "the provider refused its credential");
    CHECK(classify(500, R"({"error":{"code":1e300,"details":[1,{"@type":7}]}})").outcome ==
          Outcome::transient);
}
