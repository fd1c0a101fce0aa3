// SPDX-License-Identifier: Apache-2.0
#include "agent/metrics/summary_ring.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/agent/metrics/fixture.hpp"

#include <cmath>
#include <numeric>

using namespace conduit;
using namespace conduit::agent;
using namespace conduit::agent::test;

namespace {

constexpr WallTime k_now{std::chrono::seconds{1'800'000'000}};

} // namespace

TEST_CASE("latency bounds go from one millisecond to two minutes in equal ratios")
{
    const auto bounds = latency_bounds_ms();
    REQUIRE(bounds.size() == 23);
    CHECK(bounds.front() == 1);
    CHECK(bounds.back() == 120'000);
    for (std::size_t i = 2; i < bounds.size(); ++i)
        CHECK(bounds[i] / bounds[i - 1] == Approx(bounds[1] / bounds[0]));
}

TEST_CASE("the summary holds complete seconds, oldest first, merged over the shards")
{
    Metrics metrics(2);
    auto record = speech_record(k_now - 1s);
    metrics.record(0, record, 0);
    record.status = 502;
    record.attempts = 3;
    metrics.record(1, record, 1);
    record.time = k_now; // the running second
    metrics.record(0, record, 0);
    record.time = k_now - 3s;
    record.cache = CacheUse::hit;
    metrics.record(0, record, k_max_providers + 1); // no provider was reached

    const auto summary = metrics.summary(5, k_now + 400ms);
    REQUIRE(summary.size() == 5);
    CHECK(summary[0].second == 1'799'999'995);
    const auto& last = summary[4];
    CHECK(last.second == 1'799'999'999);
    CHECK(last.requests == 2);
    CHECK(last.errors == 1);
    CHECK(last.retries == 2);
    CHECK(last.cache_lookups == 2);
    CHECK(last.cache_hits == 0);
    CHECK(last.providers[0].requests == 1);
    CHECK(last.providers[0].errors == 0);
    CHECK(last.providers[1].errors == 1);
    CHECK(std::accumulate(last.latency.begin(), last.latency.end(), 0U) == 2);
    CHECK(summary[2].cache_hits == 1);
    CHECK(summary[3].requests == 0);
}

TEST_CASE("seconds older than five minutes are gone")
{
    Metrics metrics(1);
    for (int s = 0; s < 1000; ++s)
        metrics.record(0, speech_record(k_now - std::chrono::seconds{1000 - s}), 0);
    metrics.record(0, speech_record(k_now - 900s), 0); // too late to be counted anywhere
    const auto summary = metrics.summary(1000, k_now);
    REQUIRE(summary.size() == 300);
    for (const auto& bucket : summary)
        CHECK(bucket.requests == 1);
}

TEST_CASE("refusals by a limit are in the summary")
{
    Metrics metrics(1);
    metrics.limited(0, LimitReason::global);
    const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    std::uint32_t limited = 0;
    for (const auto& bucket : metrics.summary(10, now + 2s))
        limited += bucket.limited;
    CHECK(limited == 1);
}

TEST_CASE("quantiles are interpolated inside the bucket")
{
    std::array<std::uint32_t, 24> counts{};
    CHECK(std::isnan(quantile_ms(counts, 0.5)));
    counts[10] = 100;
    const auto bounds = latency_bounds_ms();
    CHECK(quantile_ms(counts, 0.5) == Approx((bounds[9] + bounds[10]) / 2));
    counts[23] = 1000;
    CHECK(quantile_ms(counts, 0.99) == bounds.back());
}
