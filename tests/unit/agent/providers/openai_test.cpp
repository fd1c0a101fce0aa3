// SPDX-License-Identifier: Apache-2.0
#include "agent/providers/adapter.hpp"
#include "agent/providers/multipart.hpp"
#include "core/json.hpp"
#include "tests/support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::agent;

namespace {

const Adapter& openai()
{
    return adapter_for(ProviderKind::openai);
}

ProviderConfig provider(std::string endpoint = {})
{
    ProviderConfig out;
    out.name = "openai";
    out.endpoint = std::move(endpoint);
    out.key = "sk-secret-key";
    return out;
}

ClientRequest speech(std::string raw)
{
    ClientRequest request;
    request.operation = Operation::speech;
    request.speech.voice = "alloy";
    request.speech.raw_json = std::move(raw);
    return request;
}

ClientRequest upload(Operation operation = Operation::transcription)
{
    ClientRequest request;
    request.operation = operation;
    request.stt.boundary = "XyZ";
    return request;
}

std::string value_of(const HeaderList& headers, std::string_view name)
{
    for (const auto& [key, value] : headers)
        if (key == name)
            return value;
    return {};
}

Classified classify(int status, std::string_view body, HeaderList headers = {})
{
    return openai().classify({status, std::move(headers)}, body);
}

std::string error_body(std::string_view message, std::string_view type, std::string_view code)
{
    return openai_error(message, type, code);
}

} // namespace

TEST_CASE("an endpoint may be given with or without its version, or as an Azure deployment")
{
    const std::vector<std::pair<std::string, std::string>> cases{
        {"", "https://api.openai.com/v1/audio/speech"},
        {"https://api.openai.com", "https://api.openai.com/v1/audio/speech"},
        {"http://127.0.0.1:9001/", "http://127.0.0.1:9001/v1/audio/speech"},
        {"https://api.groq.com/openai/v1/", "https://api.groq.com/openai/v1/audio/speech"},
        {"https://r.openai.azure.com/openai/deployments/tts?api-version=2025-03-01",
         "https://r.openai.azure.com/openai/deployments/tts/audio/speech?api-version=2025-03-01"},
    };
    for (const auto& [endpoint, url] : cases) {
        const auto built = openai().build(provider(endpoint), speech("{}"), {});
        REQUIRE(built);
        CHECK(built->url.str() == url);
    }
    CHECK_FALSE(openai().build(provider("nonsense"), speech("{}"), {}));
}

TEST_CASE("the key goes where the service wants it")
{
    CHECK(value_of(openai().build(provider(), speech("{}"), {})->headers, "Authorization") ==
          "Bearer sk-secret-key");
    const auto azure = openai().build(provider("https://r.openai.azure.com/openai/v1"), speech("{}"), {});
    CHECK(value_of(azure->headers, "api-key") == "sk-secret-key");
    CHECK(value_of(azure->headers, "Authorization").empty());
    auto open = provider("http://127.0.0.1:1");
    open.key.clear();
    CHECK(value_of(openai().build(open, speech("{}"), {})->headers, "Authorization").empty());
}

TEST_CASE("a speech body passes unchanged unless model or voice is mapped")
{
    const std::string raw = R"({ "model":"tts-1", "input":"a","voice":"alloy", "extra": 1.50 })";
    auto config = provider();
    config.models[Operation::speech] = "local-tts";
    CHECK(openai().build(config, speech(raw), {})->body == raw);
    config.rewrite_model = true;
    config.voices["alloy"] = "af_sky";
    const auto body = parse_json(*openai().build(config, speech(raw), {})->body);
    REQUIRE(body);
    CHECK((*body)["model"] == "local-tts");
    CHECK((*body)["voice"] == "af_sky");
    CHECK((*body)["input"] == "a");
    CHECK((*body)["extra"] == 1.5);
    CHECK(openai().decoder(config, speech(raw), {200, {}}) == nullptr);
}

TEST_CASE("an upload passes with the client's boundary")
{
    const auto built = openai().build(provider(), upload(), {});
    REQUIRE(built);
    CHECK(built->url.path == "/v1/audio/transcriptions");
    CHECK(value_of(built->headers, "Content-Type") == "multipart/form-data; boundary=XyZ");
    CHECK_FALSE(built->body);
    CHECK(openai().encoder(provider(), upload()) == nullptr);
    CHECK(openai().build(provider(), upload(Operation::translation), {})->url.path ==
          "/v1/audio/translations");
    auto odd = upload();
    odd.stt.boundary = "a b/c";
    CHECK(multipart_boundary(value_of(openai().build(provider(), odd, {})->headers, "Content-Type")) ==
          "a b/c");
}

TEST_CASE("the model in an upload is replaced while it streams, wherever it stands")
{
    const std::string file = "--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n"
                             "Content-Type: audio/wav\r\n\r\nRI\r\n--XyFF\r\n";
    const auto model = [](const std::string& value) {
        return "--XyZ\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n" + value + "\r\n";
    };
    auto config = provider();
    config.rewrite_model = true;
    config.models[Operation::transcription] = "whisper-large";
    const auto rewritten = [&](const std::string& body, std::size_t step) {
        const auto encoder = openai().encoder(config, upload());
        REQUIRE(encoder);
        CHECK(encoder->input() == BodyEncoder::Input::raw);
        auto out = encoder->begin();
        for (std::size_t at = 0; at < body.size(); at += step)
            encoder->feed(body.substr(at, step), out);
        encoder->finish({}, out);
        return out;
    };
    for (const std::size_t step : {1U, 3U, 1000U}) {
        CHECK(rewritten(model("whisper-1") + file + "--XyZ--\r\n", step) ==
              model("whisper-large") + file + "--XyZ--\r\n");
        CHECK(rewritten("pre\r\n" + file + model("x") + "--XyZ--", step) ==
              file + model("whisper-large") + "--XyZ--\r\n");
        CHECK(rewritten(file + "--XyZ--", step) == file + model("whisper-large") + "--XyZ--\r\n");
    }
}

TEST_CASE("realtime and chat have their own addresses")
{
    const auto live = openai().realtime(provider("http://127.0.0.1:9001"), "gpt realtime", {});
    REQUIRE(live);
    CHECK(live->url.str() == "ws://127.0.0.1:9001/v1/realtime?model=gpt%20realtime");
    CHECK(live->transport == Transport::websocket);
    CHECK(live->method == "GET");
    CHECK(openai().realtime(provider(), "m", {})->url.str() == "wss://api.openai.com/v1/realtime?model=m");
    ClientRequest chat;
    chat.operation = Operation::chat;
    chat.chat.raw_json = R"({"model":"gpt-4o-mini","messages":[]})";
    const auto built = openai().build(provider(), chat, {});
    REQUIRE(built);
    CHECK(built->url.path == "/v1/chat/completions");
    CHECK(built->body == chat.chat.raw_json);
    CHECK(openai().probe(provider(), {}).request.url.path == "/v1/models");
}

TEST_CASE("OpenAI's answers are classed by status, type and code")
{
    struct Case {
        int status;
        std::string body;
        Outcome outcome;
    };
    const std::vector<Case> cases{
        {200, "", Outcome::ok},
        {400, error_body("Invalid file format.", "invalid_request_error", ""), Outcome::client_error},
        {400, error_body("too short", "invalid_request_error", "audio_too_short"), Outcome::client_error},
        {401, error_body("Incorrect API key provided", "invalid_request_error", "invalid_api_key"),
         Outcome::credential},
        {403, "{}", Outcome::credential},
        {404, error_body("The model `x` does not exist", "invalid_request_error", "model_not_found"),
         Outcome::client_error},
        {404, "<html>not found</html>", Outcome::unsupported},
        {413, error_body("Maximum content size limit (26214400) exceeded", "server_error", ""),
         Outcome::client_error},
        {408, "", Outcome::transient},
        {409, "", Outcome::transient},
        {429, error_body("Rate limit reached", "requests", "rate_limit_exceeded"), Outcome::throttled},
        {429, error_body("You exceeded your current quota", "insufficient_quota", "insufficient_quota"),
         Outcome::quota},
        {429, "slow down", Outcome::throttled},
        {500, error_body("The server had an error", "server_error", ""), Outcome::transient},
        {502, "<html>Bad gateway</html>", Outcome::transient},
        {503, error_body("The engine is currently overloaded", "overloaded", ""), Outcome::transient},
        {302, "", Outcome::transient},
        {0, "", Outcome::transient},
    };
    for (const auto& c : cases) {
        INFO(c.status << " " << c.body);
        CHECK(classify(c.status, c.body).outcome == c.outcome);
    }
}

TEST_CASE("the wait before another try is read from milliseconds, seconds, a date or the text")
{
    const auto body =
        error_body("Rate limit reached for tts-1 in organization org-a on requests per min (RPM): "
                   "Limit 3, Used 3, Requested 1. Please try again in 125ms. Visit https://x",
                   "requests", "rate_limit_exceeded");
    CHECK(classify(429, body).retry_after == 125ms);
    CHECK(classify(429, body, {{"retry-after", "20"}}).retry_after == 20s);
    CHECK(classify(429, body, {{"retry-after", "20"}, {"retry-after-ms", "1500"}}).retry_after == 1500ms);
    CHECK(classify(
              503, "",
              {{"retry-after", "Sun, 22 Nov 2026 03:00:30 GMT"}, {"date", "Sun, 22 Nov 2026 03:00:00 GMT"}})
              .retry_after == 30s);
    for (const auto* bad : {"-1", "soon", "nan", "inf", "", "1e400"})
        CHECK(classify(503, "", {{"retry-after", bad}}).retry_after == 0s);
    CHECK(classify(503, "", {{"retry-after", "1e300"}}).retry_after <= 24h);
}

TEST_CASE("no text about a credential leaves the adapter")
{
    const auto refused =
        classify(401, error_body("Incorrect API key provided: sk-0oJ1K****cMnE. You can find",
                                 "invalid_request_error", "invalid_api_key"));
    CHECK(refused.message == "the provider refused its credential");
    CHECK(refused.code == "invalid_api_key");
    const auto quoted =
        classify(400, error_body("bad header Bearer sk-abc-123 and AIzaXYZ\x1b[31m", "x", ""));
    CHECK(quoted.message == "bad header *** and *** [31m");
    CHECK(classify(429, error_body("organization org-abc", "requests", "rate_limit_exceeded")).message ==
          "the provider limits its requests");
}

TEST_CASE("hostile error bodies are still classed")
{
    for (const auto& body :
         {std::string(100000, '['), std::string("{\"error\":7}"), std::string("{\"error\":{}}"),
          std::string("\xFF\xFE\0", 3), std::string("[]"), std::string("null"),
          std::string("{\"error\":{\"message\":[1],\"type\":{},\"code\":5}}")})
        CHECK(classify(500, body).outcome == Outcome::transient);
    CHECK(classify(400, error_body(std::string(100000, 'x'), "t", "c")).message.size() <= 503);
}

TEST_CASE("rate limits are read from headers")
{
    const auto quota = quota_from_headers({200,
                                           {{"x-ratelimit-limit-requests", "500"},
                                            {"x-ratelimit-remaining-requests", "499"},
                                            {"x-ratelimit-reset-requests", "6m0s"},
                                            {"x-ratelimit-limit-tokens", "x"},
                                            {"x-ratelimit-reset-tokens", "1.2s"}}});
    CHECK(quota.limit_requests == 500);
    CHECK(quota.remaining_requests == 499);
    CHECK(quota.reset_requests == 6min);
    CHECK_FALSE(quota.limit_tokens);
    CHECK(quota.reset_tokens == 1200ms);
    CHECK_FALSE(quota_from_headers({200, {}}).limit_requests);
}
