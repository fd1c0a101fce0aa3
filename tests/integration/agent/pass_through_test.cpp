// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/raw_http.hpp"
#include "tests/support/test_agent.hpp"
#include "tests/support/wait.hpp"

#include <fmt/format.h>

using namespace conduit;
using namespace conduit::test;

namespace {

std::string one_provider(const std::string& url, const std::string& more = {})
{
    return fmt::format("listen: {{data: 127.0.0.1:0}}\n"
                       "providers:\n  openai: {{kind: openai, weight: 1, endpoint: \"{}\", key: \"env:CONDUIT_TEST_KEY\"}}\n"
                       "cache: {{enabled: false}}\ncontrol: {{store: sqlite, path: /tmp/unused.db}}\n"
                       "records: {{store: none}}\n{}",
                       url, more);
}

} // namespace

TEST_CASE("speech is passed on and its answer comes back with the agent's headers")
{
    ScriptedProvider provider([](const auto&) { return http_answer(200, "audio/mpeg", "MP3DATA"); });
    TestAgent agent(one_provider(provider.url()));
    const auto answer = post(agent.port(), "/v1/audio/speech", "application/json", speech_body(),
                             {{"Authorization", "Bearer client-secret"}, {"X-Request-Id", "my-id"}});
    CHECK(answer.status() == 200);
    CHECK(answer.body == "MP3DATA");
    CHECK(answer.header("content-type") == "audio/mpeg");
    CHECK(answer.header("x-conduit-provider") == "openai");
    CHECK(answer.header("x-conduit-attempts") == "1");
    CHECK(answer.header("x-request-id") == "my-id");
    const auto seen = provider.seen();
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].start == "POST /v1/audio/speech HTTP/1.1");
    CHECK(seen[0].body == speech_body());
    CHECK(seen[0].header("authorization") == "Bearer sk-up");
    const auto records = agent.wait_records(1);
    CHECK(records.at(0).characters == 5);
    CHECK(records.at(0).status == 200);
}

TEST_CASE("a transcription's form arrives byte for byte")
{
    ScriptedProvider provider(
        [](const auto&) { return http_answer(200, "application/json", R"({"text":"hi"})"); });
    TestAgent agent(one_provider(provider.url()));
    for (const std::size_t size : {1000U, 200'000U, 3'000'000U}) {
        const std::string form = transcription_form("XyZ", size);
        const auto answer =
            post(agent.port(), "/v1/audio/transcriptions", "multipart/form-data; boundary=XyZ", form);
        CHECK(answer.status() == 200);
        CHECK(answer.body == R"({"text":"hi"})");
        CHECK(provider.seen().back().body == form);
    }
    CHECK(agent.wait_records(3).at(1).audio_seconds == Approx(200'000 / 32000.0));
}
