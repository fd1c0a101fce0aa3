// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/agent/common.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;
using namespace conduit::test;

namespace {

struct Setup {
    ScriptedProvider provider{mp3_answer};
    TestAgent agent;
    explicit Setup(const std::string& more = {}, const std::string& keys = {})
        : agent(agent_yaml(provider_line("openai", provider.url()), more), keys)
    {
    }
    RawConnection::Message send(const std::string& bytes)
    {
        RawConnection client = RawConnection::to(agent.port());
        client.send(bytes);
        return client.read_message();
    }
};

} // namespace

TEST_CASE("requests that could be read in two ways are refused")
{
    Setup setup;
    const std::string start =
        "POST /v1/audio/speech HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    CHECK(setup.send(start + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").status() ==
          400);
    CHECK(setup.send(start + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n").status() ==
          400);
    CHECK(setup.send(start + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello").status() == 400);
    CHECK(setup.send(start + "Content-Length: -5\r\n\r\n").status() == 400);
    CHECK(setup.send(start + "Transfer-Encoding: chunked\r\n\r\nZZ\r\n").status() == 400);
    CHECK(setup.send("\x16\x03\x01\x02").start.empty() == false);
    CHECK(setup.provider.requests() == 0);
}

TEST_CASE("heads that are too large or too slow are refused")
{
    Setup setup("server: {header_timeout: 300ms}\n");
    CHECK(setup.send("GET /health HTTP/1.1\r\nX-Long: " + std::string(20'000, 'a') + "\r\n\r\n").status() ==
          431);
    CHECK(setup.send("GET /health HTTP/1.1\r\nHost: a\r\n").status() == 408);
}

TEST_CASE("unknown routes, wrong methods and wrong content types say what is wrong")
{
    Setup setup;
    const auto unknown = setup.send(http_request("GET", "/v1/nothing", "", ""));
    CHECK(unknown.status() == 404);
    CHECK(unknown.body.contains(R"("error")"));
    const auto method = setup.send(http_request("GET", "/v1/audio/speech", "", ""));
    CHECK(method.status() == 405);
    CHECK(method.header("allow") == "POST");
    const int port = setup.agent.port();
    CHECK(post(port, "/v1/audio/speech", "text/plain", "x").status() == 415);
    CHECK(post(port, "/v1/audio/transcriptions", "application/json", "{}").status() == 415);
    CHECK(post(port, "/v1/audio/transcriptions", "multipart/form-data", "x").status() == 415);
    CHECK(post(port, "/v1/audio/transcriptions", "multipart/form-data; boundary=B", "garbage").status() ==
          400);
    CHECK(post(port, "/v1/audio/speech", "application/json", "{\"model\":").status() == 400);
    CHECK(post(port, "/v1/audio/speech", "application/json", "\xff\xfe").status() == 400);
    CHECK(post(port, "/v1/audio/speech", "application/json", R"({"model":"m","input":"x"})").status() == 400);
    CHECK(setup.provider.requests() == 0);
}

TEST_CASE("bodies beyond the limits are refused")
{
    Setup setup("server: {max_body: 2Mi, max_json_body: 4Ki}\n");
    const int port = setup.agent.port();
    CHECK(post(port, "/v1/audio/speech", "application/json", speech_body(std::string(8000, 'a'))).status() ==
          413);
    CHECK(post(port, "/v1/audio/transcriptions", "multipart/form-data; boundary=B",
               transcription_form("B", 3'000'000))
              .status() == 413);
}

TEST_CASE("keys, blocklist and limits are looked at before anything else")
{
    const std::string digest = sha256_hex("secret-key");
    const std::string keys = "- {name: team-a, sha256: " + digest + ", limit: 2/h}\n";
    ScriptedProvider provider(mp3_answer);
    TestAgent agent(agent_yaml(provider_line("openai", provider.url()), "keys: {file: /nonexistent}\n"),
                    keys);
    const auto with = [&](const HeaderList& headers) {
        return post(agent.port(), "/v1/audio/speech", "application/json", speech_body(), headers);
    };
    CHECK(with({}).status() == 401);
    CHECK(with({{"Authorization", "Bearer wrong"}}).status() == 401);
    CHECK(with({{"Authorization", "Bearer secret-key"}}).status() == 200);
    CHECK(with({{"X-API-Key", "secret-key"}}).status() == 200);
    const auto limited = with({{"X-API-Key", "secret-key"}});
    CHECK(limited.status() == 429);
    CHECK_FALSE(limited.header("retry-after").empty());
    CHECK(limited.body.contains("rate_limit_exceeded"));
    agent.set("blocklist/team-a", R"({"reason":"test"})");
    CHECK(with({{"X-API-Key", "secret-key"}}).status() == 403);
    CHECK(provider.requests() == 2);
}
