// SPDX-License-Identifier: Apache-2.0
// Answers that break off, and what the answers say beside their bodies.
#include "tests/integration/agent/common.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;
using namespace conduit::agent;
using namespace conduit::test;

namespace {

// Cuts the first `cuts` answers in the middle; models are listed whole.
struct CuttingProvider {
    std::atomic<int> cuts, requests{0};
    ScriptedServer server;
    CuttingProvider(int how_often, std::string content_type, std::string body)
        : cuts(how_often), server([this, content_type, body](RawConnection& connection, int) {
              for (;;) {
                  if (next_request(connection).start.empty())
                      return;
                  ++requests;
                  const std::string answer = http_answer(200, content_type, body);
                  const bool cut = cuts-- > 0;
                  connection.send(answer.substr(0, cut ? answer.size() - body.size() / 2 : answer.size()));
                  if (cut)
                      return;
              }
          })
    {
    }
};

std::string two_providers(const std::string& first, const std::string& second)
{
    return provider_line("first", first, 1000) + provider_line("second", second, 1);
}

RawConnection::Message chat(int port)
{
    return post(port, "/v1/chat/completions", "application/json",
                R"({"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]})");
}

} // namespace

TEST_CASE("a small JSON answer that is cut in the middle is asked for elsewhere")
{
    CuttingProvider first(1, "application/json", R"({"choices":[{"message":{"content":"first"}}]})");
    ScriptedProvider second([](const auto&) {
        return http_answer(200, "application/json", R"({"choices":[{"message":{"content":"second"}}]})");
    });
    TestAgent agent(agent_yaml(two_providers(first.server.url(), second.url())));
    const auto answer = chat(agent.port());
    CHECK(answer.status() == 200);
    CHECK(answer.whole);
    CHECK(answer.body.contains("second"));
    CHECK(answer.header("x-conduit-attempts") == "2");
}

TEST_CASE("after one cut of audio no other client sees one")
{
    const std::string audio(20'000, 'a');
    CuttingProvider first(4, "audio/mpeg", audio);
    ScriptedProvider second(mp3_answer);
    TestAgent agent(agent_yaml(two_providers(first.server.url(), second.url())));
    int broken = 0;
    for (int i = 0; i < 20; ++i) {
        const auto answer = speak(agent.port());
        broken += answer.status() == 200 && answer.whole ? 0 : 1;
    }
    CHECK(first.requests > 4); // it was trusted again once it was well
    CHECK(broken == 1);
}

TEST_CASE("a held answer of a provider that recovered arrives whole")
{
    const std::string audio(200'000, 'b');
    CuttingProvider first(1, "audio/mpeg", audio);
    ScriptedProvider second([](const auto&) { return http_answer(503, "application/json", "{}"); });
    TestAgent agent(agent_yaml(two_providers(first.server.url(), second.url())));
    speak(agent.port());
    const auto answer = speak(agent.port());
    CHECK(answer.whole);
    CHECK(answer.body == audio);
}

TEST_CASE("what the provider says about our quota is known")
{
    ScriptedProvider provider([](const auto&) {
        return http_answer(
            200, "audio/mpeg", "MP3",
            {{"X-RateLimit-Limit-Requests", "500"}, {"x-ratelimit-remaining-requests", "123"}});
    });
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    CHECK(speak(agent.port()).status() == 200);
    CHECK(agent.health().of("openai").quota_limit == 500);
    CHECK(agent.health().of("openai").quota_remaining == 123);
}

TEST_CASE("chat tokens are counted and paid for, streamed and whole")
{
    std::atomic<bool> streamed{false};
    const std::string text = R"("say \"usage\": {\"total_tokens\": 9}")";
    ScriptedProvider provider([&](const auto&) {
        if (!streamed)
            return http_answer(
                200, "application/json",
                R"({"choices":[{"message":{"content":)" + text +
                    R"(}}],"usage":{"prompt_tokens":30,"completion_tokens":12,"total_tokens":42,)"
                    R"("details":{"cached":1}}})");
        return http_answer(
            200, "text/event-stream",
            "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n"
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n"
            "data: [DONE]\n\n");
    });
    TestAgent agent(
        agent_yaml(provider_line("openai", provider.url(), 1, ", price: {chat_per_1k_tokens: 2}")));
    CHECK(chat(agent.port()).status() == 200);
    streamed = true;
    CHECK(chat(agent.port()).status() == 200);
    const auto records = agent.wait_records(2);
    CHECK(records.at(0).tokens == 42);
    CHECK(records.at(0).cost_usd == Approx(0.084));
    CHECK(records.at(1).tokens == 7);
}

TEST_CASE("an upload that is streamed is not cached and says so")
{
    ScriptedProvider provider(
        [](const auto&) { return http_answer(200, "application/json", R"({"text":"hi"})"); });
    TestAgent agent(agent_yaml(provider_line("openai", provider.url()), "", true));
    const auto send = [&](std::size_t size) {
        return post(agent.port(), "/v1/audio/transcriptions", "multipart/form-data; boundary=XyZ",
                    transcription_form("XyZ", size))
            .header("x-conduit-cache");
    };
    CHECK(send(10'000) == "miss");
    const auto again = send(10'000); // the first may still be on its way into the cache
    CHECK((again == "hit" || again == "joined"));
    CHECK(send(2'000'000) == "off");
    CHECK(send(2'000'000) == "off");
}

TEST_CASE("a moderation provider is asked after the rules, and refuses what it flags")
{
    ScriptedProvider provider(mp3_answer);
    ScriptedProvider moderation([](const auto& request) {
        const bool bad = request.body.contains("awful");
        return http_answer(200, "application/json", fmt::format(R"({{"results":[{{"flagged":{}}}]}})", bad));
    });
    TestAgent agent(agent_yaml(
        provider_line("openai", provider.url()),
        fmt::format("safety: {{enabled: true, moderation_url: \"{}/v1/moderations\"}}\n", moderation.url())));
    CHECK(speak(agent.port(), "fine words").status() == 200);
    const auto refused = speak(agent.port(), "awful words");
    CHECK(refused.status() == 400);
    CHECK(refused.body.contains("content_policy_violation"));
    CHECK(provider.requests() == 1);
    CHECK(moderation.requests() == 2);
}

TEST_CASE("a moderation that cannot be asked refuses, unless it is not required")
{
    ScriptedProvider provider(mp3_answer);
    for (const bool required : {true, false}) {
        TestAgent agent(agent_yaml(
            provider_line("openai", provider.url()),
            fmt::format("safety: {{enabled: true, moderation_url: \"http://127.0.0.1:1/v1/moderations\", "
                        "moderation_required: {}}}\n",
                        required)));
        CHECK(speak(agent.port()).status() == (required ? 503 : 200));
    }
}
