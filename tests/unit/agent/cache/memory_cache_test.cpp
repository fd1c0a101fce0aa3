// SPDX-License-Identifier: Apache-2.0
#include "agent/cache/cache.hpp"
#include "tests/support/catch.hpp"

#include <random>
#include <thread>

using namespace conduit;
using namespace conduit::agent;

namespace {

constexpr SteadyTime k_start{std::chrono::hours{100}};

CachedPtr answer(std::size_t bytes, std::string provider = "openai")
{
    auto made = std::make_shared<CachedAnswer>();
    made->content_type = "audio/mpeg";
    made->body.assign(bytes, 'x');
    made->provider = std::move(provider);
    return made;
}

} // namespace

TEST_CASE("what was put is found until it expires")
{
    auto cache = make_memory_cache(1U << 20U);
    const auto put = answer(100);
    cache->put("audio:tts:a", put, 1h, k_start);
    CHECK(cache->get("audio:tts:a", k_start + 1h - 1ms) == put);
    CHECK(cache->get("audio:tts:b", k_start) == nullptr);
    CHECK(cache->get("audio:tts:a", k_start + 1h) == nullptr);
    const auto stats = cache->stats();
    CHECK(stats.hits == 1);
    CHECK(stats.misses == 2);
    CHECK(stats.expired == 1);
    CHECK(stats.entries == 0);
    CHECK(stats.bytes == 0);
}

TEST_CASE("an answer with no time to live, none at all, or larger than the cache is not kept")
{
    auto cache = make_memory_cache(10'000);
    cache->put("a", answer(10), 0ms, k_start);
    cache->put("b", nullptr, 1h, k_start);
    cache->put("c", answer(10'001), 1h, k_start);
    CHECK(cache->stats().entries == 0);
    cache->put("d", answer(10), Duration::max(), k_start);
    CHECK(cache->get("d", k_start + 10'000h) != nullptr);
}

TEST_CASE("putting again replaces, and what is larger than fits leaves nothing stale behind")
{
    auto cache = make_memory_cache(10'000);
    cache->put("a", answer(100), 1h, k_start);
    const auto second = answer(200);
    cache->put("a", second, 1h, k_start);
    CHECK(cache->get("a", k_start) == second);
    CHECK(cache->stats().entries == 1);
    cache->put("a", answer(20'000), 1h, k_start);
    CHECK(cache->get("a", k_start) == nullptr);
    CHECK(cache->stats().bytes == 0);
}

TEST_CASE("the least recently used goes first when bytes run out")
{
    auto cache = make_memory_cache(10'000);
    for (const auto* key : {"a", "b", "c"})
        cache->put(key, answer(3'000), 1h, k_start);
    REQUIRE(cache->get("a", k_start) != nullptr);
    cache->put("d", answer(3'000), 1h, k_start);
    CHECK(cache->get("b", k_start) == nullptr);
    CHECK(cache->get("a", k_start) != nullptr);
    CHECK(cache->stats().evictions == 1);
    CHECK(cache->stats().bytes <= 10'000);
    cache->set_max_bytes(4'000);
    CHECK(cache->stats().entries == 1);
    CHECK(cache->get("a", k_start) != nullptr);
    cache->set_max_bytes(0);
    CHECK(cache->stats().entries == 0);
}

TEST_CASE("clearing takes what has the prefix and nothing else")
{
    auto cache = make_memory_cache(64U << 20U);
    for (int i = 0; i < 100; ++i) {
        cache->put("audio:tts:" + std::to_string(i), answer(10), 1h, k_start);
        cache->put("audio:stt:" + std::to_string(i), answer(10), 1h, k_start);
    }
    CHECK(cache->clear("audio:tts:").value() == 100);
    CHECK(cache->get("audio:tts:1", k_start) == nullptr);
    CHECK(cache->get("audio:stt:1", k_start) != nullptr);
    CHECK(cache->stats().cleared == 100);
    CHECK(cache->clear("audio:").value() == 100);
    const auto refused = cache->clear("");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind == ErrorKind::usage);
}

TEST_CASE("the list shows living entries up to a limit")
{
    auto cache = make_memory_cache(64U << 20U);
    for (int i = 0; i < 50; ++i)
        cache->put("audio:tts:" + std::to_string(i), answer(1000, "google"), i % 2 == 0 ? 1h : 1s, k_start);
    cache->get("audio:tts:0", k_start);
    const auto entries = cache->list("audio:tts:", 100, k_start + 1min);
    REQUIRE(entries.size() == 25);
    for (const auto& entry : entries) {
        CHECK(entry.expires_in == 59min);
        CHECK(entry.provider == "google");
        CHECK(entry.bytes > 1000);
        CHECK(entry.hits == (entry.key == "audio:tts:0" ? 1 : 0));
    }
    CHECK(cache->list("audio:tts:", 7, k_start).size() == 7);
    CHECK(cache->list("audio:stt:", 7, k_start).empty());
}

TEST_CASE("expired entries at the end are dropped by later puts")
{
    auto cache = make_memory_cache(1U << 20U);
    for (int i = 0; i < 40; ++i)
        cache->put("old" + std::to_string(i), answer(10), 1s, k_start);
    for (int i = 0; i < 10; ++i)
        cache->put("new" + std::to_string(i), answer(10), 1h, k_start + 1min);
    CHECK(cache->stats().entries == 10);
    CHECK(cache->stats().expired == 40);
}

TEST_CASE("threads together keep the byte count right")
{
    auto cache = make_memory_cache(48U << 20U);
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 4; ++t)
        threads.emplace_back([&cache, t] {
            std::minstd_rand random(t + 1);
            for (int i = 0; i < 3000; ++i) {
                const auto key = "k" + std::to_string(random() % 500);
                if (random() % 3 == 0)
                    cache->put(key, answer(random() % 200'000), 1h, k_start);
                else if (random() % 200 == 0)
                    static_cast<void>(cache->clear("k1"));
                else
                    cache->get(key, k_start);
            }
        });
    for (auto& thread : threads)
        thread.join();
    CHECK(cache->stats().bytes <= 48U << 20U);
    CHECK(cache->clear("k").has_value());
    CHECK(cache->stats().bytes == 0);
    CHECK(cache->stats().entries == 0);
}
