// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/agent/common.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;
using namespace conduit::test;

namespace {

std::string two(const std::string& bad, const std::string& good, const std::string& more = {})
{
    return agent_yaml(provider_line("bad", bad, 70, more) + provider_line("good", good, 30),
                      "limits: {retry_floor: 1000/10s}\n");
}

void all_requests_succeed(TestAgent& agent, int count)
{
    int good = 0;
    for (int i = 0; i < count; ++i)
        good += speak(agent.port()).status() == 200 ? 1 : 0;
    CHECK(good == count);
}

} // namespace

TEST_CASE("a provider that answers 503 costs no client request")
{
    ScriptedProvider bad([](const auto&) { return http_answer(503, "application/json", "{}"); });
    ScriptedProvider good(mp3_answer);
    TestAgent agent(two(bad.url(), good.url()));
    all_requests_succeed(agent, 40);
    CHECK(bad.requests() >= 1);
    CHECK(bad.requests() <= 12); // then the circuit was open
}

TEST_CASE("a provider that resets costs no client request")
{
    ScriptedProvider bad([](const auto&) { return std::string("RESET"); });
    ScriptedProvider good(mp3_answer);
    TestAgent agent(two(bad.url(), good.url()));
    all_requests_succeed(agent, 40);
}

TEST_CASE("a provider that refuses connections costs no client request")
{
    ScriptedProvider good(mp3_answer);
    std::string nobody;
    {
        ScriptedProvider gone(mp3_answer);
        nobody = gone.url();
    }
    TestAgent agent(two(nobody, good.url()));
    all_requests_succeed(agent, 40);
}

TEST_CASE("a provider that hangs past the first-byte limit is left for another")
{
    ScriptedProvider bad([](const auto&) { return std::string(); });
    ScriptedProvider good(mp3_answer);
    TestAgent agent(two(bad.url(), good.url(), ", first_byte_timeout: 200ms"));
    const auto answer = speak(agent.port());
    CHECK(answer.status() == 200);
    all_requests_succeed(agent, 12);
    CHECK(bad.requests() >= 1);
}

TEST_CASE("when all providers fail the client gets an error in OpenAI's shape")
{
    ScriptedProvider bad([](const auto&) { return http_answer(500, "text/html", "<h1>no</h1>"); });
    TestAgent agent(agent_yaml(provider_line("bad", bad.url())));
    const auto answer = speak(agent.port());
    CHECK(answer.status() == 502);
    CHECK(answer.header("x-should-retry") == "true");
    CHECK(answer.body.contains(R"("code":"provider_failed")"));
    CHECK_FALSE(answer.body.contains("<h1>"));
}

TEST_CASE("when all providers throttle the client gets 429 with Retry-After")
{
    ScriptedProvider bad([](const auto&) {
        return http_answer(429, "application/json",
                           R"({"error":{"message":"slow down","code":"rate_limit_exceeded"}})",
                           {{"retry-after", "7"}});
    });
    TestAgent agent(agent_yaml(provider_line("bad", bad.url())));
    const auto answer = speak(agent.port());
    CHECK(answer.status() == 429);
    CHECK(answer.header("retry-after") == "7");
}

TEST_CASE("the provider's complaint about the request itself is passed on and not repeated")
{
    const std::string complaint =
        R"({"error":{"message":"bad voice","type":"invalid_request_error","param":"voice","code":null}})";
    ScriptedProvider first([&](const auto&) { return http_answer(400, "application/json", complaint); });
    ScriptedProvider second([&](const auto&) { return http_answer(400, "application/json", complaint); });
    TestAgent agent(two(first.url(), second.url()));
    const auto answer = speak(agent.port());
    CHECK(answer.status() == 400);
    CHECK(answer.body == complaint);
    CHECK(first.requests() + second.requests() == 1);
}

TEST_CASE("a connection that went stale while idle is replaced without counting as an attempt")
{
    ScriptedServer provider([](RawConnection& connection, int) {
        // One speech request a connection, then it closes without a word.
        if (!next_request(connection).start.empty())
            connection.send(http_answer(200, "audio/mpeg", "MP3DATA"));
    });
    TestAgent agent(agent_yaml(provider_line("openai", provider.url()), "server: {threads: 1}\n"));
    for (int i = 0; i < 5; ++i) {
        const auto answer = speak(agent.port());
        CHECK(answer.status() == 200);
        CHECK(answer.header("x-conduit-attempts") == "1");
    }
}

TEST_CASE("an answer that breaks off is cut for the client and never repeated")
{
    std::atomic<int> requests{0};
    ScriptedServer provider([&](RawConnection& connection, int) {
        if (next_request(connection).start.empty())
            return;
        ++requests;
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    });
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    const auto answer = speak(agent.port());
    CHECK(answer.status() == 200);
    CHECK(answer.body == "first");
    CHECK_FALSE(answer.whole);
    CHECK(requests == 1);
    CHECK(agent.wait_records(1).at(0).outcome == agent::Outcome::broken);
}

TEST_CASE("a client that goes away ends the provider's work")
{
    std::atomic<bool> ended{false};
    ScriptedServer provider([&](RawConnection& connection, int) {
        const auto request = connection.read_message();
        if (request.start.starts_with("POST"))
            ended = connection.closed();
    });
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    {
        RawConnection client = RawConnection::to(agent.port());
        client.send(http_request("POST", "/v1/audio/speech", "application/json", speech_body()));
        CHECK(eventually([&] { return agent.server().in_flight() == 1; }));
    }
    CHECK(eventually([&] { return ended.load(); }));
    CHECK(agent.wait_records(1).at(0).status == 499);
}

TEST_CASE("weights hold to the request")
{
    ScriptedProvider a(mp3_answer), b(mp3_answer), c(mp3_answer);
    TestAgent agent(agent_yaml(provider_line("a", a.url(), 70) + provider_line("b", b.url(), 20) +
                                   provider_line("c", c.url(), 10),
                               "server: {threads: 1}\n"));
    RawConnection client = RawConnection::to(agent.port());
    for (int i = 0; i < 100; ++i) {
        client.send(http_request("POST", "/v1/audio/speech", "application/json", speech_body()));
        REQUIRE(client.read_message().status() == 200);
    }
    CHECK(a.requests() == 70);
    CHECK(b.requests() == 20);
    CHECK(c.requests() == 10);
    agent.set("providers/a/enabled", "false");
    const int before = a.requests();
    for (int i = 0; i < 20; ++i)
        REQUIRE(speak(agent.port()).status() == 200);
    CHECK(a.requests() == before);
}
