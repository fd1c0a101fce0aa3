// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/sim/sim_fixture.hpp"
#include "tests/support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::sim;

namespace {

HttpRequest models(const SimFixture& sim)
{
    return {.url = sim.url("openai") + "/v1/models",
            .headers = {{"Authorization", "Bearer " + k_openai_key}}};
}

HttpRequest speech(const SimFixture& sim, std::string_view text = "Hello there.")
{
    return {.method = "POST",
            .url = sim.url("openai") + "/v1/audio/speech",
            .headers = {{"Authorization", "Bearer " + k_openai_key}},
            .body = dump_json({{"model", "tts-1"}, {"input", text}, {"voice", "nova"}})};
}

std::string google_body()
{
    return R"({"input":{"text":"x"},"voice":{"languageCode":"en-US"},"audioConfig":{"audioEncoding":"MP3"}})";
}

} // namespace

TEST_CASE("error_rate and status fail that share of the requests, probes included")
{
    SimFixture sim;
    sim.fault("openai", R"({"error_rate":0.3,"status":500})");
    int failed = 0;
    for (int i = 0; i < 300; ++i)
        failed += sim.send(models(sim))->status == 500 ? 1 : 0;
    CHECK(failed > 60);
    CHECK(failed < 120);
    sim.fault("openai", R"({"error_rate":1,"status":null})");
    CHECK(sim.speak().status == 503);
    CHECK(sim.speak().body.contains("currently overloaded"));
    sim.lift("openai");
    sim.fault("openai", R"({"status":504})");
    CHECK(sim.speak().status == 504);
    sim.lift("openai");
    CHECK(sim.speak().status == 200);
}

TEST_CASE("fail_next fails so many client requests and no probe")
{
    SimFixture sim;
    sim.fault("openai", R"({"fail_next":2})");
    CHECK(sim.send(models(sim))->status == 200);
    CHECK(sim.speak().status == 503);
    CHECK(sim.get(sim.control() + "/providers/openai/fault").body == R"({"fail_next":1})");
    CHECK(sim.speak().status == 503);
    CHECK(sim.speak().status == 200);
}

TEST_CASE("Throttling and exhausted quotas speak each provider's language and spare probes")
{
    SimFixture sim;
    const auto google = [&] {
        return sim.post(sim.url("google") + "/v1/text:synthesize", google_body(),
                        {{"X-Goog-Api-Key", k_google_key}});
    };
    const auto polly = [&] {
        return sim.aws("POST", "/v1/speech", R"({"OutputFormat":"mp3","Text":"x","VoiceId":"Amy"})", "polly");
    };
    for (const auto* name : {"openai", "google", "aws"})
        sim.fault(name, R"({"throttle":true,"retry_after_s":7})");
    const auto openai = sim.speak();
    CHECK(openai.status == 429);
    CHECK(openai.header("retry-after") == "7");
    CHECK(openai.header("retry-after-ms") == "7000");
    CHECK(openai.header("x-ratelimit-remaining-requests") == "0");
    CHECK(openai.body.contains("rate_limit_exceeded"));
    CHECK(google().body.contains("RATE_LIMIT_EXCEEDED"));
    CHECK(google().body.contains("\"retryDelay\":\"7s\""));
    CHECK(polly().status == 400);
    CHECK(polly().header("x-amzn-errortype").starts_with("ThrottlingException"));
    CHECK(sim.send(models(sim))->status == 200);
    for (const auto* name : {"openai", "google", "aws"})
        sim.fault(name, R"({"throttle":null,"retry_after_s":null,"quota_exhausted":true})");
    CHECK(sim.speak().body.contains("insufficient_quota"));
    CHECK(google().body.contains("RESOURCE_QUOTA_EXCEEDED"));
    CHECK(polly().status == 402);
}

TEST_CASE("bad_credentials refuses good keys, html_502 and garbage answer nonsense")
{
    SimFixture sim;
    sim.fault("openai", R"({"bad_credentials":true})");
    CHECK(sim.speak().status == 401);
    CHECK(sim.send(models(sim))->status == 401);
    sim.fault("openai", R"({"bad_credentials":false,"html_502":true})");
    CHECK(sim.speak().status == 502);
    CHECK(sim.speak().header("content-type").starts_with("text/html"));
    sim.fault("openai", R"({"html_502":null,"garbage":true})");
    CHECK(sim.speak().status == 200);
    CHECK_FALSE(parse_json(sim.speak().body));
}

TEST_CASE("latency, first_byte and bytes_per_second take their time")
{
    SimFixture sim;
    const auto timed = [&](std::string_view text) {
        const auto start = std::chrono::steady_clock::now();
        const auto response = sim.send(speech(sim, text));
        REQUIRE(response);
        CHECK(response->status == 200);
        return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - start);
    };
    sim.fault("openai", R"({"latency_ms":150})");
    CHECK(timed("x") >= 150ms);
    sim.fault("openai", R"({"latency_ms":null,"first_byte_ms":150})");
    CHECK(timed("x") >= 150ms);
    sim.fault("openai", R"({"first_byte_ms":null,"bytes_per_second":20000})");
    CHECK(timed("A sentence that makes about ten thousand bytes of sound.") >= 300ms);
}

TEST_CASE("The first bytes of slow speech arrive long before the last")
{
    SimFixture sim;
    sim.fault("openai", R"({"bytes_per_second":20000})");
    auto request = speech(sim, "A sentence that makes quite a lot of sound, some twelve thousand bytes.");
    std::chrono::steady_clock::time_point first{};
    request.on_data = [&](std::string_view) {
        if (first == std::chrono::steady_clock::time_point{})
            first = std::chrono::steady_clock::now();
        return true;
    };
    REQUIRE(sim.send(request));
    CHECK(std::chrono::steady_clock::now() - first >= 200ms);
}

TEST_CASE("A hanging provider reads, never answers, and counts the client that gave up")
{
    SimFixture sim;
    sim.fault("openai", R"({"hang":true})");
    CHECK(sim.send(models(sim), 200ms).error().kind == ErrorKind::unknown);
    CHECK(sim.eventually([&] { return sim.counters("openai")["aborted"] == 1; }));
    CHECK(sim.counters("openai")["in_flight"] == 0);
}

TEST_CASE("reset and cut_after_bytes break the connection")
{
    SimFixture sim;
    sim.fault("openai", R"({"reset":true})");
    CHECK_FALSE(sim.send(models(sim)));
    sim.fault("openai", R"({"reset":"accept"})");
    CHECK_FALSE(sim.send(models(sim)));
    sim.fault("openai", R"({"reset":null,"cut_after_bytes":1000})");
    auto request = speech(sim);
    std::size_t got = 0;
    request.on_data = [&](std::string_view bytes) {
        got += bytes.size();
        return true;
    };
    CHECK_FALSE(sim.send(request));
    CHECK(got == 1000);
    CHECK(sim.counters("openai")["aborted"] == 3);
}

TEST_CASE("A provider that is down refuses connections, cuts open ones, and returns on the same port")
{
    SimFixture sim;
    for (int round = 0; round < 3; ++round) {
        const auto url = sim.url("openai");
        CHECK(sim.send(models(sim))->status == 200); // leaves a connection open
        CHECK(sim.fault("openai", R"({"down":true})").status == 200);
        const auto refused = sim.send(models(sim));
        REQUIRE_FALSE(refused);
        CHECK(refused.error().kind == ErrorKind::unreachable);
        CHECK(sim.eventually([&] { return sim.counters("openai")["connections_open"] == 0; }));
        CHECK(sim.get(sim.url("google") + "/v1/voices?key=" + k_google_key).status == 200);
        sim.lift("openai");
        CHECK(sim.url("openai") == url);
        CHECK(sim.send(models(sim))->status == 200);
    }
}

TEST_CASE("A fault lifts itself when its time is over")
{
    SimFixture sim;
    sim.fault("openai", R"({"down":true,"expires_in_s":0.2})");
    CHECK_FALSE(sim.send(models(sim)));
    CHECK(sim.eventually([&] { return sim.send(models(sim)).has_value(); }));
    CHECK(sim.get(sim.control() + "/providers/openai/fault").body == "{}");
}

TEST_CASE("The control API refuses what it does not understand and keeps the fault as it was")
{
    SimFixture sim;
    sim.fault("openai", R"({"latency_ms":5})");
    for (const auto* bad : {R"({"latncy_ms":1})", R"({"error_rate":2})", R"({"status":200})",
                            R"({"down":"yes"})", R"({"reset":"later"})", "[]", "{", R"({"latency_ms":-1})"})
        CHECK(sim.fault("openai", bad).status == 400);
    CHECK(sim.fault("openai", R"({"latncy_ms":1})").body.contains("did you mean latency_ms?"));
    CHECK(sim.get(sim.control() + "/providers/openai/fault").body == R"({"latency_ms":5})");
    CHECK(sim.fault("opnai", "{}").status == 404);
    CHECK(sim.fault("opnai", "{}").body.contains("did you mean openai?"));
    CHECK(sim.get(sim.control() + "/nowhere").status == 404);
    const auto all = parse_json(sim.get(sim.control() + "/providers").body);
    CHECK((*all)["providers"].size() == 4);
}
