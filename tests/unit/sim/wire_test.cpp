// SPDX-License-Identifier: Apache-2.0
#include "sim/wire/message.hpp"
#include "sim/wire/transcript.hpp"
#include "tests/support/catch.hpp"

#include <nlohmann/json.hpp>
#include <random>
#include <set>

using namespace conduit;
using namespace conduit::sim;

TEST_CASE("Transcripts are cut into words and sentences that fill the time")
{
    const auto words = words_of("one two  three\nfour", 4);
    REQUIRE(words.size() == 4);
    CHECK(words[2].text == "three");
    CHECK(words[2].start == Approx(2));
    CHECK(words[3].end == Approx(4));
    const auto segments = segments_of("One two. Three! And four", 4);
    REQUIRE(segments.size() == 3);
    CHECK(segments[1].text == "Three!");
    CHECK(segments[2].end == Approx(4));
    CHECK(words_of("", 1).empty());
    CHECK(srt_of({{3599.5, 3661.25, "x"}}) == "1\n00:59:59,500 --> 01:01:01,250\nx\n\n");
}

TEST_CASE("Ids differ from request to request and uuids have their form")
{
    std::set<std::string> seen;
    for (std::uint64_t i = 0; i < 1000; ++i)
        seen.insert(make_id("req_", i));
    CHECK(seen.size() == 1000);
    const auto uuid = make_uuid(5);
    CHECK(uuid.size() == 36);
    CHECK(uuid[14] == '4');
    CHECK(uuid[8] == '-');
}

TEST_CASE("Credentials come from YAML or JSON, and a provider's name goes before its kind")
{
    const auto read = parse_credentials(
        "openai: [a, b]\nspare: [c]\naws:\n  - {access_key_id: i, secret_access_key: s}\n", "c");
    REQUIRE(read);
    CHECK(read->keys_of("openai", ProviderKind::openai).size() == 2);
    CHECK(read->keys_of("spare", ProviderKind::openai).front() == "c");
    CHECK(read->keys_of("other", ProviderKind::openai).front() == "a");
    CHECK(read->keys_of("google", ProviderKind::google).empty());
    CHECK(read->aws.front().secret_key == "s");
    CHECK_FALSE(parse_credentials("[]", "c"));
    CHECK_FALSE(parse_credentials("openai: a", "c"));
    CHECK_FALSE(parse_credentials("aws: [{access_key_id: i}]", "c"));
}

TEST_CASE("Routes know probes from clients")
{
    const auto route = [](ProviderKind kind, std::string method, std::string path, HeaderList headers = {}) {
        return find_route(kind, {std::move(method), std::move(path), {}, std::move(headers), {}});
    };
    CHECK(route(ProviderKind::openai, "GET", "/v1/models/x").kind == RouteClass::probe);
    CHECK(route(ProviderKind::openai, "POST", "/v1/models").kind == RouteClass::other);
    CHECK(route(ProviderKind::openai, "GET", "/v1/realtime").websocket);
    CHECK(route(ProviderKind::google, "POST", "/v1/text:synthesize").kind == RouteClass::client);
    CHECK(
        route(ProviderKind::aws, "POST", "/", {{"X-Amz-Target", "Transcribe.ListTranscriptionJobs"}}).kind ==
        RouteClass::probe);
    CHECK(route(ProviderKind::aws, "POST", "/").kind == RouteClass::other);
}

TEST_CASE("Handlers and sockets survive random bodies")
{
    const auto credentials = test_credentials();
    WireContext context{&credentials, "openai", WallTime{}, 1};
    std::mt19937 random{11};
    const std::string pieces[] = {"{",
                                  "}",
                                  "[",
                                  "]",
                                  "\"type\"",
                                  ":",
                                  ",",
                                  "\"session\"",
                                  "null",
                                  "\"audio\"",
                                  "\"input\"",
                                  "1e9",
                                  "\"session.update\"",
                                  "\"response.create\"",
                                  "\"conversation.item.create\"",
                                  "\"item\"",
                                  "\"content\"",
                                  "\"model\"",
                                  "\"tts-1\"",
                                  "\"messages\"",
                                  "\"\xff\""};
    const auto socket = open_socket(ProviderKind::openai, {"GET", "/v1/realtime", {}, {}, {}}, context);
    for (int round = 0; round < 3000; ++round) {
        std::string body;
        for (auto left = random() % 20; left > 0; --left)
            body += pieces[random() % std::size(pieces)];
        CHECK_FALSE(socket->receive(body, false).close);
        for (const auto* path : {"/v1/audio/speech", "/v1/chat/completions", "/v1/audio/transcriptions"}) {
            const WireRequest request{
                "POST", path, {}, {{"Authorization", "Bearer sk-sim-openai-test-key"}}, body};
            CHECK(answer(ProviderKind::openai, find_route(ProviderKind::openai, request), request, context)
                      .status >= 400);
        }
    }
    for (const auto* event : {R"({"type":"session.update","session":{"audio":5}})",
                              R"({"type":"session.update","session":{"audio":{"input":[1]}}})",
                              R"({"type":"session.update","session":{"output_modalities":7,"audio":null}})",
                              R"({"type":"conversation.item.create","item":{"content":[1,"x",null],"id":5}})",
                              R"({"type":"response.create","response":"x"})"})
        CHECK_FALSE(socket->receive(event, false).messages.empty());
}
