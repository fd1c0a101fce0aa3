// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/agent/common.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;
using namespace conduit::test;

TEST_CASE("speech is passed on and its answer comes back with the agent's headers")
{
    ScriptedProvider provider(mp3_answer);
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    const auto answer = post(agent.port(), "/v1/audio/speech", "application/json", speech_body(),
                             {{"Authorization", "Bearer client-secret"},
                              {"X-Request-Id", "my-id"},
                              {"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}});
    CHECK(answer.status() == 200);
    CHECK(answer.body == "MP3DATA");
    CHECK(answer.header("content-type") == "audio/mpeg");
    CHECK(answer.header("x-conduit-provider") == "openai");
    CHECK(answer.header("x-conduit-attempts") == "1");
    CHECK(answer.header("x-conduit-cache") == "off");
    CHECK_FALSE(answer.header("x-conduit-overhead-us").empty());
    CHECK(answer.header("x-request-id") == "my-id");
    const auto seen = provider.seen();
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].start == "POST /v1/audio/speech HTTP/1.1");
    CHECK(seen[0].body == speech_body());
    CHECK(seen[0].header("authorization") == "Bearer sk-up");
    CHECK(seen[0].header("traceparent") == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    const auto records = agent.wait_records(1);
    CHECK(records.at(0).characters == 5);
    CHECK(records.at(0).status == 200);
}

TEST_CASE("a transcription's form arrives byte for byte, small, kept in pieces and streamed")
{
    ScriptedProvider provider(
        [](const auto&) { return http_answer(200, "application/json", R"({"text":"hi"})"); });
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    for (const std::size_t size : {1000U, 200'000U, 3'000'000U}) {
        const std::string form = transcription_form("XyZ", size);
        const auto answer =
            post(agent.port(), "/v1/audio/transcriptions", "multipart/form-data; boundary=XyZ", form);
        CHECK(answer.status() == 200);
        CHECK(answer.body == R"({"text":"hi"})");
        const bool same = provider.seen().back().body == form;
        CHECK(same);
    }
    const auto records = agent.wait_records(3);
    CHECK(records.at(1).audio_seconds == Approx(200'000 / 32000.0));
    CHECK(records.at(2).audio_seconds == Approx(3'000'000 / 32000.0));
}

TEST_CASE("a chunked upload is understood")
{
    ScriptedProvider provider(
        [](const auto&) { return http_answer(200, "application/json", R"({"text":"hi"})"); });
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    const std::string form = transcription_form("XyZ", 100'000);
    RawConnection client = RawConnection::to(agent.port());
    client.send("POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                "Content-Type: multipart/form-data; boundary=XyZ\r\n\r\n");
    for (std::size_t at = 0; at < form.size(); at += 3001) {
        const std::string piece = form.substr(at, 3001);
        client.send(fmt::format("{:x}\r\n{}\r\n", piece.size(), piece));
    }
    client.send("0\r\n\r\n");
    CHECK(client.read_message().status() == 200);
    const bool same = provider.seen().at(0).body == form;
    CHECK(same);
}

TEST_CASE("the first byte of speech leaves before the provider has sent the last")
{
    std::atomic<bool> finish{false};
    ScriptedServer provider([&](RawConnection& connection, int) {
        while (!connection.read_message().start.empty()) {
            connection.send(
                "HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nTransfer-Encoding: chunked\r\n\r\n"
                "5\r\nfirst\r\n");
            eventually([&] { return finish.load(); });
            connection.send("4\r\nlast\r\n0\r\n\r\n");
        }
    });
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    RawConnection client = RawConnection::to(agent.port());
    client.send(http_request("POST", "/v1/audio/speech", "application/json", speech_body()));
    CHECK(client.receive_until("first").contains("first"));
    finish = true;
    CHECK(client.receive_until("0\r\n\r\n").contains("last"));
}

TEST_CASE("pipelined requests are answered in order on one connection")
{
    ScriptedProvider provider([](const RawConnection::Message& request) {
        return http_answer(200, "audio/mpeg", request.body.contains("one") ? "ONE" : "TWO");
    });
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    RawConnection client = RawConnection::to(agent.port());
    client.send(http_request("POST", "/v1/audio/speech", "application/json", speech_body("one")) +
                http_request("POST", "/v1/audio/speech", "application/json", speech_body("two")));
    CHECK(client.read_message().body == "ONE");
    CHECK(client.read_message().body == "TWO");
}

TEST_CASE("a client that waits for 100-continue gets it")
{
    ScriptedProvider provider(mp3_answer);
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    RawConnection client = RawConnection::to(agent.port());
    const std::string request = http_request("POST", "/v1/audio/speech", "application/json", speech_body(),
                                             {{"Expect", "100-continue"}});
    const auto body_at = request.find("\r\n\r\n") + 4;
    client.send(request.substr(0, body_at));
    CHECK(client.receive_until("\r\n\r\n").starts_with("HTTP/1.1 100"));
    client.send(request.substr(body_at));
    CHECK(client.read_message().body == "MP3DATA");
}

TEST_CASE("an HTTP/1.0 client gets a whole answer and a closed connection")
{
    ScriptedProvider provider([](const auto&) {
        return std::string("HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "3\r\nabc\r\n0\r\n\r\n");
    });
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    RawConnection client = RawConnection::to(agent.port());
    client.send(fmt::format("POST /v1/audio/speech HTTP/1.0\r\nContent-Type: application/json\r\n"
                            "Content-Length: {}\r\n\r\n{}",
                            speech_body().size(), speech_body()));
    const std::string all = client.receive_until("abc");
    CHECK_FALSE(all.contains("chunked"));
    CHECK(all.ends_with("abc"));
    CHECK(client.closed());
}

TEST_CASE("equal speech is answered from the cache, and equal requests in flight share one")
{
    std::atomic<bool> release{false};
    ScriptedProvider provider([&](const auto& request) {
        if (request.body.contains("slow"))
            eventually([&] { return release.load(); });
        return http_answer(200, "audio/mpeg", "MP3DATA");
    });
    TestAgent agent(agent_yaml(provider_line("openai", provider.url()), {}, true));
    CHECK(speak(agent.port()).header("x-conduit-cache") == "miss");
    const auto hit = speak(agent.port());
    CHECK(hit.header("x-conduit-cache") == "hit");
    CHECK(hit.body == "MP3DATA");
    CHECK(provider.requests() == 1);

    std::vector<std::thread> clients;
    std::atomic<int> good{0};
    for (int i = 0; i < 8; ++i)
        clients.emplace_back([&] { good += speak(agent.port(), "slow").body == "MP3DATA" ? 1 : 0; });
    CHECK(eventually([&] { return agent.server().in_flight() == 8; }));
    release = true;
    for (auto& client : clients)
        client.join();
    CHECK(good == 8);
    CHECK(provider.requests() == 2);
}

TEST_CASE("a conversation goes through transcription, chat and speech")
{
    ScriptedProvider provider([](const RawConnection::Message& request) {
        if (request.start.contains("transcriptions"))
            return http_answer(200, "application/json", R"({"text":"what is it"})");
        if (request.start.contains("chat"))
            return http_answer(200, "application/json", R"({"choices":[{"message":{"content":"a test"}}]})");
        return http_answer(200, "audio/mpeg", "SPOKEN");
    });
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    const auto answer =
        post(agent.port(), "/v1/audio/conversations", "multipart/form-data; boundary=B",
             transcription_form("B", 5000, {{"system_prompt", "be short"}, {"voice", "nova"}}));
    CHECK(answer.status() == 200);
    CHECK(answer.body == "SPOKEN");
    CHECK(answer.header("x-conduit-conversation") == R"({"transcript":"what is it","reply":"a test"})");
    const auto seen = provider.seen();
    REQUIRE(seen.size() == 3);
    CHECK(seen[1].body.contains("be short"));
    CHECK(seen[1].body.contains("what is it"));
    CHECK(seen[2].body.contains("nova"));
}

TEST_CASE("health answers HEAD and models are listed")
{
    ScriptedProvider provider(mp3_answer);
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    RawConnection client = RawConnection::to(agent.port());
    client.send("HEAD /health HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(client.read_message(false).status() == 200);
    client.send("GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(client.read_message().body.contains("whisper-1"));
    CHECK(provider.requests() == 0);
}
