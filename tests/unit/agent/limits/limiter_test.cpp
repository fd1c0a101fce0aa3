// SPDX-License-Identifier: Apache-2.0
#include "agent/control/snapshot.hpp"
#include "tests/support/catch.hpp"

#include <thread>

using namespace conduit;
using namespace conduit::agent;

namespace {

constexpr SteadyTime k_start{std::chrono::hours{100}};

int passing(Limiter& limiter, const Snapshot& snapshot, const ApiKey* key, SteadyTime from, Duration length,
            Duration step)
{
    int passed = 0;
    for (Duration at{0}; at < length; at += step)
        passed += limiter.take(snapshot, key, from + at).allowed() ? 1 : 0;
    return passed;
}

ApiKey key_with(Limiter& limiter, const std::string& id, Rate rate)
{
    ApiKey key;
    key.id = id;
    key.limit = rate;
    key.slot = limiter.slot(id);
    return key;
}

} // namespace

TEST_CASE("a key with 5/s gets five requests a second, second after second")
{
    Limiter limiter;
    const Snapshot snapshot;
    const auto key = key_with(limiter, "team-a", {5, 1s});
    // Its burst is used up in the first second, from then on the rate is exact.
    CHECK(passing(limiter, snapshot, &key, k_start, 1s, 10ms) <= 10);
    for (int second = 1; second < 10; ++second)
        CHECK(passing(limiter, snapshot, &key, k_start + second * 1s, 1s, 10ms) == 5);
}

TEST_CASE("over any window no more than the count and the burst pass")
{
    const auto [rate, burst] =
        GENERATE(std::pair{Rate{1000, 1h}, 10}, std::pair{Rate{5, 1s}, 5}, std::pair{Rate{100, 10s}, 100},
                 std::pair{Rate{600, 1min}, 100}, std::pair{Rate{1, 1min}, 1});
    Limiter limiter;
    const Snapshot snapshot;
    const auto key = key_with(limiter, "k", rate);
    const int passed = passing(limiter, snapshot, &key, k_start, rate.window, rate.window / 20'000 + 1ms);
    CHECK(passed <= static_cast<int>(rate.count) + burst);
    CHECK(passed >= static_cast<int>(rate.count));
    CHECK(key.slot->allowed.load() == static_cast<std::uint64_t>(passed));
    CHECK(key.slot->refused.load() > 0);
}

TEST_CASE("a refusal says when the next request passes, to the millisecond")
{
    Limiter limiter;
    const Snapshot snapshot;
    const auto key = key_with(limiter, "k", {1, 3s});
    REQUIRE(limiter.take(snapshot, &key, k_start).allowed());
    const auto refused = limiter.take(snapshot, &key, k_start + 1s);
    REQUIRE(refused.refused_by == LimitReason::key);
    CHECK(refused.retry_after == 2s);
    CHECK_FALSE(limiter.take(snapshot, &key, k_start + 1s + refused.retry_after - 1ms).allowed());
    CHECK(limiter.take(snapshot, &key, k_start + 1s + refused.retry_after).allowed());
}

TEST_CASE("a key without a limit of its own has the default, and none means no limit")
{
    Limiter limiter;
    Snapshot snapshot;
    const auto key = key_with(limiter, "k", {});
    CHECK(passing(limiter, snapshot, &key, k_start, 1s, 1ms) == 1000);
    snapshot.config.limits.per_key = {2, 1s};
    CHECK(passing(limiter, snapshot, &key, k_start + 1h, 1s, 1ms) <= 4);
    CHECK(passing(limiter, snapshot, nullptr, k_start + 2h, 1s, 1ms) == 1000);
}

TEST_CASE("limits are divided by the number of replicas")
{
    Limiter limiter;
    Snapshot snapshot;
    snapshot.replicas = 2;
    snapshot.config.limits.global = {10, 1s};
    passing(limiter, snapshot, nullptr, k_start, 1s, 1ms);
    CHECK(passing(limiter, snapshot, nullptr, k_start + 1s, 10s, 1ms) == 50);

    snapshot.config.limits.global = {};
    snapshot.emergency_rpm = 10;
    snapshot.replicas = 4; // two and a half a minute each
    passing(limiter, snapshot, nullptr, k_start + 1h, 2min, 100ms);
    CHECK(passing(limiter, snapshot, nullptr, k_start + 1h + 2min, 4min, 100ms) == 10);
}

TEST_CASE("the emergency limit caps all traffic at once")
{
    Limiter limiter;
    Snapshot snapshot;
    const auto a = key_with(limiter, "a", {1000, 1s});
    CHECK(limiter.take(snapshot, &a, k_start).allowed());
    snapshot.emergency_rpm = 100;
    int passed = 0;
    for (Duration at{0}; at < 1min; at += 20ms)
        passed += limiter.take(snapshot, at.count() % 40 == 0 ? &a : nullptr, k_start + at).allowed() ? 1 : 0;
    CHECK(passed >= 100);
    CHECK(passed <= 101);
    const auto refused = limiter.take(snapshot, &a, k_start + 1min - 20ms);
    CHECK(refused.refused_by == LimitReason::emergency);
    CHECK(refused.retry_after > 0ms);
}

TEST_CASE("what an earlier limit took comes back when a later one refuses")
{
    Limiter limiter;
    Snapshot snapshot;
    snapshot.config.limits.global = {10, 1s};
    const auto greedy = key_with(limiter, "greedy", {1, 1h});
    const auto other = key_with(limiter, "other", {100, 1s});
    CHECK(limiter.take(snapshot, &greedy, k_start).allowed());
    for (int i = 0; i < 1000; ++i)
        CHECK(limiter.take(snapshot, &greedy, k_start).refused_by == LimitReason::key);
    int passed = 0;
    for (int i = 0; i < 20; ++i)
        passed += limiter.take(snapshot, &other, k_start).allowed() ? 1 : 0;
    CHECK(passed == 9);
    CHECK(limiter.take(snapshot, &other, k_start).refused_by == LimitReason::global);
}

TEST_CASE("absurd rates do not overflow")
{
    Limiter limiter;
    Snapshot snapshot;
    const auto rate = GENERATE(Rate{~0ULL, 1ms}, Rate{1, Duration::max()}, Rate{~0ULL, Duration::max()},
                               Rate{1, Duration{0}});
    const auto key = key_with(limiter, "k", rate);
    CHECK(limiter.take(snapshot, &key, k_start).allowed());
    CHECK(limiter.take(snapshot, &key, k_start + 1h).retry_after >= 0ms);
}

TEST_CASE("threads together get no more than the limit")
{
    Limiter limiter;
    Snapshot snapshot;
    snapshot.config.limits.global = {1000, 10s};
    const auto key = key_with(limiter, "k", {500, 10s});
    std::atomic<int> passed{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 2000; ++i)
                if (limiter.take(snapshot, &key, k_start).allowed())
                    passed.fetch_add(1);
        });
    for (auto& thread : threads)
        thread.join();
    CHECK(passed.load() == 500);
    // Nothing of the refused ones stuck to the global limit.
    CHECK(passing(limiter, snapshot, nullptr, k_start, 600ms, 1ms) >= 500);
}

TEST_CASE("one key id has one slot for ever")
{
    Limiter limiter;
    auto* first = limiter.slot("a");
    for (int i = 0; i < 100; ++i)
        limiter.slot("k" + std::to_string(i));
    CHECK(limiter.slot("a") == first);
    CHECK(limiter.slot("b") != first);
}

TEST_CASE("retries may be a share of the requests but always the floor")
{
    RetryBudget budget;
    const Rate floor{3, 10s};
    int passed = 0;
    for (int i = 0; i < 100; ++i)
        passed += budget.try_retry(k_start, 0.2, floor) ? 1 : 0;
    CHECK(passed == 3);

    for (int i = 0; i < 100; ++i)
        budget.on_request(k_start + std::chrono::milliseconds{i * 90});
    for (int i = 0; i < 100; ++i)
        passed += budget.try_retry(k_start + 9s, 0.2, floor) ? 1 : 0;
    CHECK(passed == 20); // the earlier three are in the same window

    CHECK(budget.try_retry(k_start + 30s, 0.2, floor)); // a new window
}

TEST_CASE("threads together do not overdraw the retry budget")
{
    RetryBudget budget;
    for (int i = 0; i < 1000; ++i)
        budget.on_request(k_start);
    std::atomic<int> passed{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 1000; ++i)
                if (budget.try_retry(k_start, 0.2, {1, 10s}))
                    passed.fetch_add(1);
        });
    for (auto& thread : threads)
        thread.join();
    CHECK(passed.load() <= 200);
    CHECK(passed.load() >= 150);
}
