// SPDX-License-Identifier: Apache-2.0
#include "core/sigv4.hpp"
#include "core/text.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;

namespace {

const SigV4Credentials k_key{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", {}};

WallTime example_time()
{
    return *parse_time("2015-08-30T12:36:00Z");
}

SigV4Request request(std::string method, std::string path, std::string query, HeaderList headers,
                     std::string_view body)
{
    return {std::move(method), std::move(path), std::move(query), std::move(headers), sha256_hex(body)};
}

SigV4Request polly_request()
{
    return request("POST", "/v1/speech", "",
                   {{"Content-Type", "application/json"}, {"Host", "polly.us-east-1.amazonaws.com"}},
                   R"({"OutputFormat":"mp3","Text":"Hello","VoiceId":"Joanna"})");
}

Url transcribe_url()
{
    return *parse_url("wss://transcribestreaming.us-east-1.amazonaws.com:8443/stream-transcription-websocket"
                      "?language-code=en-US&media-encoding=pcm&sample-rate=16000");
}

SigV4Request received(SigV4Request sent, const SigV4Signed& result)
{
    sent.headers.insert(sent.headers.end(), result.headers.begin(), result.headers.end());
    sent.headers.emplace_back("user-agent", "not signed");
    return sent;
}

} // namespace

TEST_CASE("sign_request reproduces AWS's generic test vectors")
{
    const SigV4Scope scope{"us-east-1", "service"};
    const HeaderList host{{"Host", "example.amazonaws.com"}};
    const auto sign = [&](const SigV4Request& one) {
        return sign_request(k_key, scope, example_time(), one).signature;
    };
    CHECK(sign(request("POST", "/", "", host, "")) ==
          "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
    CHECK(sign(request("GET", "/", "Param1=value2&Param1=Value1", host, "")) ==
          "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1");
    CHECK(sign(request("GET", "/", "Param2=value2&Param1=value1", host, "")) ==
          "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
    auto form = host;
    form.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    CHECK(sign(request("POST", "/", "", form, "Param1=value1")) ==
          "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
}

TEST_CASE("sign_request signs a Polly call and a Transcribe call as the reference vectors say")
{
    const auto polly = sign_request(k_key, {"us-east-1", "polly"}, example_time(), polly_request());
    CHECK(polly.canonical_hash == "13ab8e4d9a1e9b5fd1a09894c5167cfac441b4cb306167643744ea49d4117281");
    CHECK(polly.signature == "f22e6476ff387743832fce602ed1459dd8bb04954509fa2c9f025f57f36b03b8");
    REQUIRE(polly.headers.size() == 2);
    CHECK(polly.headers[0] == std::pair<std::string, std::string>{"x-amz-date", "20150830T123600Z"});
    CHECK(polly.headers[1].second ==
          "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/polly/aws4_request, "
          "SignedHeaders=content-type;host;x-amz-date, "
          "Signature=f22e6476ff387743832fce602ed1459dd8bb04954509fa2c9f025f57f36b03b8");
    const auto transcribe = sign_request(k_key, {"us-east-1", "transcribe"}, example_time(),
                                         request("POST", "/", "",
                                                 {{"content-type", "application/x-amz-json-1.1"},
                                                  {"host", "transcribe.us-east-1.amazonaws.com"},
                                                  {"x-amz-target", "Transcribe.GetTranscriptionJob"}},
                                                 R"({"TranscriptionJobName":"job-1"})"));
    CHECK(transcribe.signature == "5de3eb1a05c65646a69b53fc10c321e1d42dbef505a8da540eca5607a84eeff4");
}

TEST_CASE("presign reproduces the Transcribe WebSocket vector")
{
    const auto signed_query =
        presign(k_key, {"us-east-1", "transcribe"}, example_time(), 300s, transcribe_url());
    CHECK(signed_query.canonical_hash == "88bf513356e6e3a329dee3b5f26fb6cc3994128145547af257dca438d716923c");
    CHECK(signed_query.query.ends_with(
        "&X-Amz-Signature=0db9203a3b2901dd66d2a9542671dc1760207b2de6fb4c8ff9eec222bd938539"));
    const auto url = presign_url(k_key, {"us-east-1", "transcribe"}, example_time(), 300s, transcribe_url());
    CHECK(url.starts_with(
        "wss://transcribestreaming.us-east-1.amazonaws.com:8443/stream-transcription-websocket"
        "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2F"));
}

TEST_CASE("sign_event_chunk reproduces the vector of AWS's streaming SDK")
{
    const std::string date_header{"\x05:date\x08\x00\x00\x01\x73\x7d\xd5\x42\x95", 15};
    const WallTime time{std::chrono::milliseconds{1595543995029}};
    CHECK(hex(sign_event_chunk({"foo", "bar", {}}, {"region-name", "signing-name"}, time, "prior",
                               date_header, "message")) ==
          "0ef56ebf8c570b3ef3dc9f41995ed137cd869cdba05918882b9b10707b6e2465");
}

TEST_CASE("A session token is sent and signed")
{
    auto key = k_key;
    key.session_token = "token";
    const auto result = sign_request(key, {"us-east-1", "polly"}, example_time(), polly_request());
    REQUIRE(result.headers.size() == 3);
    CHECK(result.headers[1].first == "x-amz-security-token");
    CHECK(result.headers[2].second.contains("host;x-amz-date;x-amz-security-token"));
    const auto query =
        presign(key, {"us-east-1", "transcribe"}, example_time(), 300s, transcribe_url()).query;
    CHECK(query.contains("X-Amz-Security-Token=token"));
}

TEST_CASE("verify_sigv4 accepts what sign_request signed and refuses every change to it")
{
    const auto sent = polly_request();
    auto got = received(sent, sign_request(k_key, {"us-east-1", "polly"}, example_time(), sent));
    const auto verify = [](const SigV4Request& one, const SigV4Credentials& key, WallTime now) -> Result<> {
        TRY_ASSIGN(const auto claim, read_sigv4_claim(one));
        return verify_sigv4(one, claim, key, now);
    };
    CHECK(verify(got, k_key, example_time() + 4min));
    SECTION("another body")
    {
        got.payload_hash = sha256_hex("other");
        CHECK(verify(got, k_key, example_time()).error().details.at("code") == "InvalidSignatureException");
    }
    SECTION("another header that was signed")
    {
        got.headers[0].second = "text/plain";
        CHECK_FALSE(verify(got, k_key, example_time()));
    }
    SECTION("another path, query or method")
    {
        auto path = got;
        path.path = "/v1/voices";
        CHECK_FALSE(verify(path, k_key, example_time()));
        auto query = got;
        query.query = "a=b";
        CHECK_FALSE(verify(query, k_key, example_time()));
        auto method = got;
        method.method = "PUT";
        CHECK_FALSE(verify(method, k_key, example_time()));
    }
    SECTION("another secret")
    {
        CHECK_FALSE(verify(got, {"AKIDEXAMPLE", "other", {}}, example_time()));
    }
    SECTION("a clock that is too far away, in either direction")
    {
        CHECK_FALSE(verify(got, k_key, example_time() + 6min));
        CHECK_FALSE(verify(got, k_key, example_time() - 6min));
    }
}

TEST_CASE("verify_sigv4 accepts a presigned URL until it expires")
{
    const auto url = transcribe_url();
    SigV4Request got{"GET", url.path, {}, {{"Host", url.authority()}}, std::string(k_empty_sha256)};
    got.query = presign(k_key, {"us-east-1", "transcribe"}, example_time(), 300s, url).query;
    const auto claim = read_sigv4_claim(got);
    REQUIRE(claim);
    CHECK(claim->presigned);
    CHECK(claim->scope.service == "transcribe");
    CHECK(verify_sigv4(got, *claim, k_key, example_time() + 299s));
    CHECK_FALSE(verify_sigv4(got, *claim, k_key, example_time() + 301s));
    got.query = replace_all(got.query, "en-US", "de-DE");
    CHECK_FALSE(verify_sigv4(got, *claim, k_key, example_time()));
}

TEST_CASE("read_sigv4_claim refuses hostile and incomplete claims")
{
    const auto read = [](std::string authorization, std::string query) {
        SigV4Request got{"GET", "/", std::move(query), {{"Authorization", std::move(authorization)}}, {}};
        return read_sigv4_claim(got);
    };
    CHECK(read("", "").error().details.at("code") == "MissingAuthenticationTokenException");
    const std::string bad[] = {"Bearer x",
                               "AWS4-HMAC-SHA256",
                               "AWS4-HMAC-SHA256 Credential=",
                               "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=x",
                               "AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request, Signature=x",
                               "AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request, SignedHeaders=host",
                               std::string(100000, ',')};
    for (const auto& one : bad)
        CHECK(read(one, "").error().details.at("code") == "IncompleteSignatureException");
    CHECK_FALSE(read("", "X-Amz-Signature=x&X-Amz-Expires=99999999999999999999"));
    CHECK_FALSE(read("", "X-Amz-Signature=x&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=%zz"));
    SigV4Request got{"GET", "/", {}, {{"host", "h"}}, {}};
    SigV4Claim claim{"a", "20150830", {"r", "s"}, "20159930T126000Z", "host;x-amz-date", "x", {}, false};
    CHECK_FALSE(verify_sigv4(got, claim, k_key, example_time()));
}
