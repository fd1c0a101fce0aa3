// SPDX-License-Identifier: Apache-2.0
#include "agent/health/health.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;
using namespace conduit::agent;

namespace {

constexpr SteadyTime k_start{std::chrono::hours{100}};
const HealthConfig k_config;

} // namespace

TEST_CASE("a provider's entry stays the same while others join")
{
    HealthBoard board;
    auto& openai = board.of("openai");
    for (int i = 0; i < 200; ++i)
        board.of("p" + std::to_string(i));
    CHECK(&board.of("openai") == &openai);
    CHECK(&board.of("p1") != &openai);
}

TEST_CASE("failures before and after the first byte count for the circuit")
{
    HealthBoard board;
    auto& health = board.of("openai");
    for (int i = 0; i < 5; ++i)
        board.report(health, i % 2 == 0 ? Outcome::transient : Outcome::broken, k_start, k_config);
    CHECK_FALSE(health.available(k_start));
    CHECK(health.breaker.state(k_start) == CircuitState::open);
    CHECK(health.score() < 0.7);
    CHECK(health.outcomes[static_cast<std::size_t>(Outcome::transient)] == 3);
}

TEST_CASE("a request's own faults do not touch the provider's health")
{
    HealthBoard board;
    auto& health = board.of("openai");
    const auto outcome = GENERATE(Outcome::client_error, Outcome::unsupported, Outcome::cancelled);
    for (int i = 0; i < 100; ++i)
        board.report(health, outcome, k_start, k_config);
    CHECK(health.available(k_start));
    CHECK(health.score() == 1.0);
}

TEST_CASE("a throttled provider cools down for as long as it says")
{
    HealthBoard board;
    auto& health = board.of("openai");
    const auto [said, pause] =
        GENERATE(std::pair{Duration{0}, Duration{3'000}}, std::pair{Duration{20'000}, Duration{20'000}},
                 std::pair{Duration{3'600'000}, Duration{120'000}});
    board.report(health, Outcome::throttled, k_start, k_config, said);
    CHECK_FALSE(health.available(k_start + pause - 1ms));
    CHECK(health.available(k_start + pause));
    CHECK(health.breaker.state(k_start) == CircuitState::closed);
    board.report(health, Outcome::throttled, k_start, k_config, 1ms);
    CHECK_FALSE(health.available(k_start + pause - 1ms)); // a shorter wish does not shorten the pause
}

TEST_CASE("a provider out of quota is out for minutes")
{
    HealthBoard board;
    auto& health = board.of("openai");
    board.report(health, Outcome::quota, k_start, k_config);
    CHECK_FALSE(health.available(k_start + 299s));
    CHECK(health.available(k_start + 300s));
}

TEST_CASE("a refused credential takes the provider out until something works")
{
    HealthBoard board;
    auto& health = board.of("openai");
    board.report(health, Outcome::credential, k_start, k_config);
    CHECK_FALSE(health.available(k_start + 24h));
    SECTION("a good probe")
    {
        board.report_probe(health, true, 20ms, WallTime{1s}, k_config);
    }
    SECTION("a good answer")
    {
        board.report(health, Outcome::ok, k_start, k_config);
    }
    CHECK(health.available(k_start));
}

TEST_CASE("the score falls with failures and comes all the way back")
{
    HealthBoard board;
    auto& health = board.of("openai");
    for (int i = 0; i < 200; ++i)
        board.report(health, Outcome::transient, k_start, k_config);
    CHECK(health.score() == 0.0);
    for (int i = 0; i < 200; ++i)
        board.report(health, Outcome::ok, k_start, k_config);
    CHECK(health.score() == 1.0);
}

TEST_CASE("a probe leaves its time, its verdict and a mark on the score")
{
    HealthBoard board;
    auto& health = board.of("openai");
    board.report_probe(health, false, 1500ms, WallTime{12345ms}, k_config);
    CHECK_FALSE(health.last_probe_ok.load());
    CHECK(health.last_probe_us.load() == 1'500'000);
    CHECK(health.last_probe_ms.load() == 12345);
    CHECK(health.score() == 0.75);
    CHECK(health.available(k_start));
}

TEST_CASE("the last error is short and safe to print")
{
    HealthBoard board;
    CHECK(board.last_error("openai").empty());
    board.note_error("openai", "HTTP 503: \x1b[31mdown\xff");
    CHECK(board.last_error("openai").find('\x1b') == std::string::npos);
    board.note_error("openai", std::string(5000, 'x'));
    CHECK(board.last_error("openai").size() <= 300);
    for (int i = 0; i < 1000; ++i)
        board.note_error("p" + std::to_string(i), "x");
    CHECK(board.last_error("p999").empty());
}

TEST_CASE("every outcome and circuit state has a name")
{
    CHECK(outcome_name(Outcome::ok) == "ok");
    CHECK(outcome_name(Outcome::cancelled) == "cancelled");
    CHECK(circuit_name(CircuitState::half_open) == "half_open");
}
