// SPDX-License-Identifier: Apache-2.0
#include "agent/net/websocket.hpp"
#include "tests/integration/agent/common.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;
using namespace conduit::agent;
using namespace conduit::test;

namespace {

constexpr std::string_view k_key = "dGhlIHNhbXBsZSBub25jZQ==";

std::string upgrade(const std::string& more = {})
{
    return fmt::format("GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                       "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n{}\r\n",
                       k_key, more);
}

// A provider that accepts the upgrade and then follows the script.
ScriptedServer::Script realtime(std::function<void(RawConnection&)> script)
{
    return [script = std::move(script)](RawConnection& connection, int) {
        const auto request = next_request(connection);
        if (request.start.empty())
            return;
        connection.send(fmt::format("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                    "Connection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                                    ws_accept(request.header("sec-websocket-key"))));
        script(connection);
    };
}

RawConnection open_session(TestAgent& agent)
{
    RawConnection client = RawConnection::to(agent.port());
    client.send(upgrade());
    CHECK(client.read_message(false).status() == 101);
    return client;
}

} // namespace

TEST_CASE("realtime messages go both ways and the provider's close code comes through")
{
    Heard heard;
    ScriptedServer provider(realtime([&](RawConnection& connection) {
        std::string frame = connection.read_exactly(6 + 5); // head, mask, "hello"
        const auto* mask = reinterpret_cast<const std::uint8_t*>(frame.data()) + 2;
        ws_mask(frame.data() + 6, 5, mask);
        heard.set(frame.substr(6));
        connection.send(ws_frame(WsOpcode::text, "world", false));
        connection.send(ws_close(4321, "enough said", false));
        connection.closed();
    }));
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    RawConnection client = RawConnection::to(agent.port());
    client.send(upgrade("Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.x\r\n"));
    const auto answer = client.read_message(false);
    CHECK(answer.status() == 101);
    CHECK(answer.header("sec-websocket-accept") == ws_accept(k_key));
    CHECK(answer.header("sec-websocket-protocol") == "realtime");
    CHECK(answer.header("x-conduit-provider") == "openai");
    client.send(ws_frame(WsOpcode::text, "hello", true));
    const std::string expected =
        ws_frame(WsOpcode::text, "world", false) + ws_close(4321, "enough said", false);
    CHECK(client.read_exactly(expected.size()) == expected);
    CHECK(heard.get() == "hello");
    client.send(ws_close(4321, "", true));
    CHECK(client.closed());
    const auto records = agent.wait_records(1);
    CHECK(records.at(0).status == 101);
    CHECK(records.at(0).model == "gpt-realtime");
}

TEST_CASE("the client's close code reaches the provider")
{
    Heard seen;
    ScriptedServer provider(realtime([&](RawConnection& connection) {
        seen.set(connection.read_exactly(6 + 2 + 3));
        connection.send(ws_close(1000, "bye", false));
    }));
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    RawConnection client = open_session(agent);
    const std::string close = ws_close(1000, "bye", true);
    client.send(close);
    CHECK(client.read_exactly(7) == ws_close(1000, "bye", false));
    CHECK(seen.get() == close);
}

TEST_CASE("a provider that drops a realtime session is told to the client as 1011")
{
    ScriptedServer provider(realtime([](RawConnection& connection) { connection.close_send(); }));
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    RawConnection client = open_session(agent);
    const std::string frame = client.read_exactly(4);
    REQUIRE(frame.size() == 4);
    CHECK(static_cast<unsigned char>(frame[0]) == 0x88);
    CHECK(frame.substr(2) == "\x03\xf3"); // 1011
}

TEST_CASE("a client that breaks the WebSocket protocol does not reach the provider")
{
    Heard seen;
    std::atomic<bool> ended{false};
    ScriptedServer provider(realtime([&](RawConnection& connection) {
        seen.set(connection.read_exactly(8));
        ended = true;
    }));
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    RawConnection client = open_session(agent);
    client.send(ws_frame(WsOpcode::text, "not masked", false));
    CHECK(eventually([&] { return ended.load(); }));
    CHECK(seen.get().substr(0, 1) == "\x88"); // a close, nothing of the frame
}

namespace {

// A provider that keeps its side open and answers the close it gets.
ScriptedServer::Script held(std::atomic<int>& opened, Heard& last)
{
    return realtime([&](RawConnection& connection) {
        ++opened;
        last.set(connection.read_exactly(8));
        connection.send(ws_close(1001, "", false));
    });
}

std::string close_code(RawConnection& client)
{
    const std::string frame = client.read_exactly(4);
    return frame.size() == 4 && frame[0] == '\x88' ? frame.substr(2) : frame;
}

const std::string k_going_away = "\x03\xe9"; // 1001

} // namespace

TEST_CASE("a drain waits for a realtime session and ends what is left with 1001")
{
    std::atomic<int> opened{0};
    Heard last;
    ScriptedServer provider(held(opened, last));
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    RawConnection client = open_session(agent);
    CHECK(eventually([&] { return opened == 1; }));
    std::string code;
    std::thread watching([&] {
        code = close_code(client);
        client.send(ws_close(1001, "", true));
    });
    const auto since = std::chrono::steady_clock::now();
    agent.stop(600ms);
    CHECK(std::chrono::steady_clock::now() - since >= 600ms);
    watching.join();
    CHECK(code == k_going_away);
    CHECK(last.get().substr(0, 1) == "\x88"); // the client's answer reached the provider
    CHECK(agent.health().of("openai").realtime_closed == 1);
}

TEST_CASE("a disabled provider's realtime sessions end with 1001 after its realtime_drain only")
{
    std::atomic<int> opened{0};
    Heard last;
    ScriptedServer provider(held(opened, last));
    ScriptedProvider other(mp3_answer);
    TestAgent agent(agent_yaml(provider_line("openai", provider.url()) +
                               provider_line("other", other.url(), 0, ", operations: [speech]")));
    RawConnection client = open_session(agent);
    CHECK(eventually([&] { return opened == 1; }));
    CHECK(agent.health().of("openai").realtime == 1);
    agent.set("providers/openai/realtime_drain", R"("300ms")");
    const auto since = std::chrono::steady_clock::now();
    agent.set("providers/openai/enabled", "false");
    CHECK(close_code(client) == k_going_away);
    CHECK(std::chrono::steady_clock::now() - since >= 300ms);
    client.send(ws_close(1001, "", true));
    CHECK(eventually([&] { return agent.health().of("openai").realtime == 0; }));
    CHECK(agent.health().of("openai").realtime_closed == 1);
}

TEST_CASE("a pool reset leaves realtime sessions alone unless it has a realtime_drain")
{
    std::atomic<int> opened{0};
    Heard last;
    ScriptedServer provider(held(opened, last));
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    RawConnection client = open_session(agent);
    CHECK(eventually([&] { return opened == 1; }));
    agent.set("pool/reset_epoch", "1");
    agent.set("pool/reset_epoch", "2");
    CHECK(agent.server().pool_stats().at(0).draining == 0);
    CHECK(agent.server().pool_stats().at(0).draining_realtime == 1);
    CHECK(agent.health().of("openai").realtime_closed == 0);
    agent.set("pool/realtime_drain", R"("100ms")");
    CHECK(close_code(client) == k_going_away);
    client.send(ws_close(1001, "", true));
    CHECK(eventually([&] { return agent.server().pool_stats().at(0).draining_realtime == 0; }));
}

TEST_CASE("a realtime session is ended between two frames")
{
    std::atomic<bool> finish{false};
    const std::string frame = ws_frame(WsOpcode::text, std::string(1000, 'x'), false);
    ScriptedServer provider(realtime([&](RawConnection& connection) {
        connection.send(frame.substr(0, 500));
        eventually([&] { return finish.load(); });
        connection.send(frame.substr(500));
        connection.read_exactly(8);
    }));
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    RawConnection client = open_session(agent);
    CHECK(client.read_exactly(500) == frame.substr(0, 500));
    agent.set("pool/realtime_drain", R"("1ms")");
    agent.set("pool/reset_epoch", "1");
    finish = true;
    CHECK(client.read_exactly(frame.size() - 500) == frame.substr(500));
    CHECK(close_code(client) == k_going_away);
}

TEST_CASE("a realtime request without an upgrade is refused, and one without a provider too")
{
    ScriptedProvider provider([](const auto&) { return http_answer(401, "application/json", "{}"); });
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    RawConnection client = RawConnection::to(agent.port());
    client.send("GET /v1/realtime HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(client.read_message().status() == 426);
    RawConnection second = RawConnection::to(agent.port());
    second.send(upgrade());
    CHECK(second.read_message().status() == 503);
}
