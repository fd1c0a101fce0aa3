// SPDX-License-Identifier: Apache-2.0
#include "agent/cache/cache.hpp"
#include "tests/support/catch.hpp"

#include <atomic>
#include <thread>

using namespace conduit::agent;

TEST_CASE("the first leads, the others get its answer")
{
    SingleFlight flights;
    std::vector<CachedPtr> got;
    const auto waiter = [&](CachedPtr answer) { got.push_back(std::move(answer)); };
    CHECK(flights.join("a", waiter));
    CHECK_FALSE(flights.join("a", waiter));
    CHECK_FALSE(flights.join("a", waiter));
    CHECK(flights.join("b", waiter));
    const auto answer = std::make_shared<const CachedAnswer>();
    flights.finish("a", answer);
    REQUIRE(got.size() == 2);
    CHECK(got[0] == answer);
    CHECK(flights.join("a", waiter));
}

TEST_CASE("a failed leader sends its followers on alone")
{
    SingleFlight flights;
    int alone = 0;
    bool leads_now = false;
    REQUIRE(flights.join("a", [](CachedPtr) {}));
    REQUIRE_FALSE(flights.join("a", [&](CachedPtr answer) {
        alone += answer == nullptr ? 1 : 0;
        leads_now = flights.join("a", [](CachedPtr) {}); // a waiter may come back without a deadlock
    }));
    flights.finish("a", nullptr);
    CHECK(alone == 1);
    CHECK(leads_now);
    flights.finish("a", nullptr);
    flights.finish("never joined", nullptr);
}

TEST_CASE("of many threads each is either leader or called exactly once")
{
    SingleFlight flights;
    std::atomic<int> leaders{0};
    std::atomic<int> called{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 2000; ++i)
                if (flights.join("key", [&](CachedPtr) { called.fetch_add(1); })) {
                    leaders.fetch_add(1);
                    flights.finish("key", nullptr);
                }
        });
    for (auto& thread : threads)
        thread.join();
    CHECK(leaders + called == 8000);
}
