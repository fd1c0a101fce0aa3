// SPDX-License-Identifier: Apache-2.0
// Prometheus' own linter finds nothing in what the agent serves.
#include "core/process.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/agent/metrics/fixture.hpp"

#include <cstdlib>

using namespace conduit;
using namespace conduit::agent;
using namespace conduit::agent::test;

TEST_CASE("promtool check metrics is content with an empty and with a busy agent")
{
    const bool busy = GENERATE(false, true);
    Metrics metrics(1);
    HealthBoard health;
    if (busy) {
        auto record =
            speech_record(std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()));
        record.voice = "odd \"voice\"\\\n\xff";
        metrics.record(0, record, 0);
        record.status = 503;
        record.error = "provider_unavailable";
        metrics.record(0, record, 1);
        metrics.safety(0, {"content", "blocked", "child", "violence", "high", "blocked"});
        metrics.validation(0, "wav", "accepted", "");
        metrics.attempt_failed(0, "google", Outcome::throttled);
        health.of("openai").quota_limit = 100;
        health.of("openai").quota_remaining = 10;
    }
    const auto text = metrics.scrape(two_providers(), health, FakeGauges{});
    const auto result = run_process({{"promtool", "check", "metrics"}, {}, text}, Deadline{30s});
    if (!result && result.error().kind == ErrorKind::not_found) {
        const char* required = std::getenv("CONDUIT_REQUIRE");
        if (required != nullptr && std::string_view(required).find("promtool") != std::string_view::npos)
            FAIL("promtool is missing; it is in Debian's package prometheus");
        WARN("skipped: promtool is missing; it is in Debian's package prometheus");
        return;
    }
    REQUIRE(result.has_value());
    CHECK(result->out == "");
    CHECK(result->err == "");
    CHECK(result->exit_code == 0);
}
