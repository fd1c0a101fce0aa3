// SPDX-License-Identifier: Apache-2.0
#include "agent/health/health.hpp"
#include "tests/support/catch.hpp"

#include <thread>

using namespace conduit;
using namespace conduit::agent;

namespace {

constexpr SteadyTime k_start{std::chrono::hours{100}};
const HealthConfig k_config;

void fail_times(CircuitBreaker& breaker, int times, SteadyTime at)
{
    for (int i = 0; i < times; ++i)
        breaker.on_failure(at, k_config);
}

} // namespace

TEST_CASE("the circuit opens after five failures in a row")
{
    CircuitBreaker breaker;
    fail_times(breaker, 4, k_start);
    breaker.on_success();
    fail_times(breaker, 4, k_start);
    CHECK(breaker.state(k_start) == CircuitState::closed);
    CHECK(breaker.allow(k_start));
    breaker.on_failure(k_start, k_config);
    CHECK(breaker.state(k_start) == CircuitState::open);
    CHECK_FALSE(breaker.allow(k_start));
    CHECK(breaker.opens_in(k_start) >= k_config.breaker_open_min);
    CHECK(breaker.failures_in_a_row() == 5);
}

TEST_CASE("a half-open circuit lets one request through")
{
    CircuitBreaker breaker;
    fail_times(breaker, 5, k_start);
    const auto later = k_start + 2s;
    CHECK(breaker.state(later) == CircuitState::half_open);
    CHECK(breaker.would_allow(later));
    CHECK(breaker.allow(later));
    CHECK_FALSE(breaker.would_allow(later));
    CHECK_FALSE(breaker.allow(later));
    SECTION("its success closes the circuit")
    {
        breaker.on_success();
        CHECK(breaker.state(later) == CircuitState::closed);
        CHECK(breaker.allow(later));
        CHECK(breaker.allow(later));
        fail_times(breaker, 4, later);
        CHECK(breaker.state(later) == CircuitState::closed);
    }
    SECTION("its failure opens it again at once")
    {
        breaker.on_failure(later, k_config);
        CHECK(breaker.state(later) == CircuitState::open);
    }
    SECTION("an end without a verdict leaves the trial to the next request")
    {
        breaker.on_neutral();
        CHECK(breaker.allow(later));
    }
    SECTION("a trial that never reports is given up after 30 seconds")
    {
        CHECK_FALSE(breaker.allow(later + 29s));
        CHECK(breaker.allow(later + 31s));
        CHECK_FALSE(breaker.allow(later + 31s));
    }
    SECTION("a reset closes it")
    {
        breaker.reset();
        CHECK(breaker.state(later) == CircuitState::closed);
        CHECK(breaker.opens_in(later) == 0ms);
        CHECK(breaker.failures_in_a_row() == 0);
    }
}

TEST_CASE("the pause doubles with jitter between its bounds")
{
    CircuitBreaker breaker;
    auto now = k_start;
    fail_times(breaker, 5, now);
    std::vector<Duration> pauses;
    for (int i = 0; i < 12; ++i) {
        pauses.push_back(breaker.opens_in(now));
        now += pauses.back();
        REQUIRE(breaker.allow(now));
        breaker.on_failure(now, k_config);
    }
    for (std::size_t i = 0; i < pauses.size(); ++i) {
        const auto base = std::min(60'000.0, 1000.0 * static_cast<double>(1U << i));
        CHECK(static_cast<double>(pauses[i].count()) >= std::max(1000.0, base * 0.8) - 1);
        CHECK(static_cast<double>(pauses[i].count()) <= std::min(60'000.0, base * 1.2) + 1);
    }
    CHECK(pauses.back() > 40s);
}

TEST_CASE("late answers of requests sent before do not touch an open circuit")
{
    CircuitBreaker breaker;
    fail_times(breaker, 5, k_start);
    const auto pause = breaker.opens_in(k_start);
    fail_times(breaker, 50, k_start + 100ms);
    CHECK(breaker.opens_in(k_start) == pause);
    breaker.on_success();
    CHECK(breaker.state(k_start + 100ms) == CircuitState::open);
}

TEST_CASE("of many threads one gets the trial")
{
    CircuitBreaker breaker;
    fail_times(breaker, 5, k_start);
    for (int round = 0; round < 50; ++round) {
        std::atomic<int> allowed{0};
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&] { allowed += breaker.allow(k_start + 5s) ? 1 : 0; });
        for (auto& thread : threads)
            thread.join();
        REQUIRE(allowed.load() == 1);
        breaker.on_neutral();
    }
}
