// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/agent/providers/aws_samples.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::agent;

namespace {

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

std::string value_of(const HeaderList& headers, std::string_view name)
{
    for (const auto& [key, value] : headers)
        if (key == name)
            return value;
    return {};
}

} // namespace

TEST_CASE("a Polly request is signed as Amazon computes it")
{
    const auto built = aws().build(provider(), speech(), k_then);
    REQUIRE(built);
    CHECK(built->url.str() == "https://polly.us-east-1.amazonaws.com/v1/speech");
    CHECK(built->body == R"({"OutputFormat":"mp3","Text":"Hello","VoiceId":"Joanna"})");
    CHECK(value_of(built->headers, "Content-Type") == "application/json");
    CHECK(value_of(built->headers, "authorization") ==
          "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/polly/aws4_request, "
          "SignedHeaders=content-type;host;x-amz-date, "
          "Signature=f22e6476ff387743832fce602ed1459dd8bb04954509fa2c9f025f57f36b03b8");
    const auto local = aws().build(provider("http://127.0.0.1:9004"), speech(), k_then);
    REQUIRE(local);
    CHECK(local->url.str() == "http://127.0.0.1:9004/v1/speech");
    const SigV4Request seen{"POST",
                            "/v1/speech",
                            "",
                            {{"host", "127.0.0.1:9004"},
                             {"content-type", "application/json"},
                             {"x-amz-date", value_of(local->headers, "x-amz-date")},
                             {"authorization", value_of(local->headers, "authorization")}},
                            sha256_hex(*local->body)};
    const auto claim = read_sigv4_claim(seen);
    REQUIRE(claim);
    CHECK(verify_sigv4(seen, *claim, {"AKIDEXAMPLE", provider().secret_key, {}}, k_then));
}

TEST_CASE("Polly's formats, speed, engine and voices follow the request")
{
    const auto body = [](const ClientRequest& request, const ProviderConfig& config = provider()) {
        return *parse_json(*aws().build(config, request, k_then)->body);
    };
    CHECK(body(speech("opus"))["OutputFormat"] == "ogg_opus");
    const auto pcm = body(speech("wav"));
    CHECK(pcm["OutputFormat"] == "pcm");
    CHECK(pcm["SampleRate"] == "16000");
    auto fast = speech();
    fast.speech.speed = 1.25;
    fast.speech.input = "a < b & \"c\" ü\x01";
    CHECK(body(fast)["TextType"] == "ssml");
    CHECK(body(fast)["Text"] == "<speak><prosody rate=\"125%\">a &lt; b &amp; \"c\" ü </prosody></speak>");
    auto config = provider();
    config.models[Operation::speech] = "neural";
    config.voices["nova"] = "Vicki";
    auto mapped = speech();
    mapped.speech.voice = "nova";
    CHECK(body(mapped, config)["VoiceId"] == "Vicki");
    CHECK(body(mapped, config)["Engine"] == "neural");
    mapped.speech.voice = "Amy";
    CHECK(body(mapped)["VoiceId"] == "Amy");
}

TEST_CASE("what Amazon cannot do is said before anything is sent")
{
    const auto reason = [](const ClientRequest& request) { return aws().unsupported(provider(), request); };
    for (const auto* format : {"aac", "flac", "pcm"})
        CHECK_FALSE(reason(speech(format)).empty());
    CHECK(reason(speech("wav")).empty());
    auto odd = speech();
    odd.speech.speed = 2.1;
    CHECK_FALSE(reason(odd).empty());
    odd = speech();
    odd.speech.voice = "voice_1";
    CHECK(reason(odd) == "voice 'voice_1' is not offered by aws");
    odd = speech();
    odd.speech.input = std::string(3001, 'x');
    CHECK_FALSE(reason(odd).empty());
    for (const auto format : {AudioFormat::wav, AudioFormat::flac, AudioFormat::ogg_opus})
        CHECK(reason(upload(format)).empty());
    for (const auto format : {AudioFormat::mp3, AudioFormat::mp4, AudioFormat::webm, AudioFormat::unknown})
        CHECK_FALSE(reason(upload(format)).empty());
    auto stereo = upload();
    stereo.stt.audio.channels = 2;
    CHECK_FALSE(reason(stereo).empty());
    auto floats = upload();
    floats.stt.audio.bits = 32;
    CHECK_FALSE(reason(floats).empty());
    auto slow = upload();
    slow.stt.audio.sample_rate = 4000;
    CHECK_FALSE(reason(slow).empty());
    auto translation = upload();
    translation.operation = Operation::translation;
    CHECK(reason(translation) == "translation is not offered by aws");
    CHECK_FALSE(aws().build(provider(), translation, k_then));
    CHECK_FALSE(aws().realtime(provider(), "m", k_then));
}

TEST_CASE("Polly's wav gets a header, its opus the type that clients expect")
{
    CHECK(aws().decoder(provider(), speech("mp3"), {200, {}}) == nullptr);
    const auto decoder = aws().decoder(provider(), speech("wav"), {200, {}});
    REQUIRE(decoder);
    CHECK(decoder->content_type() == "audio/wav");
    CHECK(decoder->streams());
    std::string out;
    REQUIRE(decoder->feed("ab", out));
    REQUIRE(decoder->feed("cd", out));
    REQUIRE(decoder->finish(out));
    CHECK(hex_of(out) ==
          "52494646ffffffff57415645666d74201000000001000100803e0000007d00000200100064617461ffffffff"
          "61626364");
    const auto opus = aws().decoder(provider(), speech("opus"), {200, {}});
    CHECK(opus->content_type() == "audio/opus");
    std::string none;
    CHECK_FALSE(opus->finish(none));
}

TEST_CASE("Amazon's errors are classed by name before status")
{
    struct Case {
        int status;
        const char* type;
        const char* body;
        Outcome outcome;
    };
    const std::vector<Case> cases{
        {200, "", "", Outcome::ok},
        {400, "ThrottlingException", R"({"message":"Rate exceeded"})", Outcome::throttled},
        {403, "UnrecognizedClientException:http://internal.amazon.com/coral/com.amazon", R"({"message":"x"})",
         Outcome::credential},
        {403, "", R"({"message":"Forbidden"})", Outcome::credential},
        {400, "TextLengthExceededException", R"({"message":"Maximum text length has been exceeded"})",
         Outcome::unsupported},
        {400, "InvalidSsmlException:", "{}", Outcome::client_error},
        {400, "ValidationException", R"({"message":"Value 'x' at 'voiceId' failed: Voice"})",
         Outcome::unsupported},
        {400, "", R"({"__type":"com.amazon#LimitExceededException","Message":"x"})", Outcome::throttled},
        {402, "ServiceQuotaExceededException", "", Outcome::quota},
        {500, "ServiceFailureException", "", Outcome::transient},
        {503, "", "<html>", Outcome::transient},
        {0, "BadRequestException", R"({"Message":"Your request timed out because no new audio"})",
         Outcome::transient},
        {0, "BadRequestException", R"({"Message":"bad audio"})", Outcome::client_error},
        {0, "InternalFailureException", "", Outcome::transient},
        {0, "ServiceUnavailableException", "", Outcome::transient},
        {0, "", "", Outcome::transient},
        {400, "", "\xFF[[[[", Outcome::client_error},
    };
    for (const auto& c : cases) {
        INFO(c.status << " " << c.type << " " << c.body);
        CHECK(classify(c.status, c.type, c.body).outcome == c.outcome);
    }
    CHECK(classify(403, "UnrecognizedClientException:http://x", "{}").code == "UnrecognizedClientException");
    CHECK(aws().classify({503, {{"x-amz-retry-after", "1500"}}}, "").retry_after == 1500ms);
}

TEST_CASE("Polly's probe is a signed list of voices")
{
    const auto probe = aws().probe(provider(), k_then).request;
    CHECK(probe.url.str() == "https://polly.us-east-1.amazonaws.com/v1/voices?LanguageCode=en-US");
    CHECK(probe.method == "GET");
    CHECK(value_of(probe.headers, "authorization").contains("SignedHeaders=host;x-amz-date,"));
}
