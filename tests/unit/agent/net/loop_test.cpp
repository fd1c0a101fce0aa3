// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/unit/agent/net/running_loop.hpp"

#include <atomic>
#include <future>

using namespace conduit;
using namespace conduit::agent;

TEST_CASE("work posted from many threads runs on the loop's thread, each piece once")
{
    RunningLoop running;
    std::promise<std::thread::id> where;
    running.loop.post([&] { where.set_value(std::this_thread::get_id()); });
    const auto loop_thread = where.get_future().get();
    CHECK(loop_thread != std::this_thread::get_id());

    std::atomic<int> done{0}, elsewhere{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 500; ++i)
                running.loop.post([&] {
                    elsewhere += std::this_thread::get_id() == loop_thread ? 0 : 1;
                    ++done;
                });
        });
    for (auto& thread : threads)
        thread.join();
    std::promise<void> last;
    running.loop.post([&] { last.set_value(); });
    last.get_future().get();
    CHECK(done == 2000);
    CHECK(elsewhere == 0);
}

TEST_CASE("what posted work posts runs behind it")
{
    RunningLoop running;
    std::string order;
    std::promise<void> last;
    running.loop.post([&] {
        running.loop.post([&] {
            order += 'c';
            last.set_value();
        });
        order += 'a';
    });
    running.loop.post([&] { order += 'b'; });
    last.get_future().get();
    CHECK((order == "abc" || order == "acb")); // 'b' may come a round later, 'a' is always first
    CHECK(order.front() == 'a');
}

TEST_CASE("a signal wakes its waiter, and a deadline does when nothing is signalled")
{
    RunningLoop running;
    const auto waited = [&](Duration limit, bool set) {
        return running.run<bool>([&running, limit, set]() -> Task<bool> {
            Signal signal(running.loop);
            if (set)
                running.loop.post([&signal] { signal.set(); });
            const bool got = co_await signal.wait(std::chrono::steady_clock::now() + limit);
            co_return got;
        });
    };
    CHECK(waited(5s, true));
    CHECK_FALSE(waited(50ms, false));
}

TEST_CASE("names are resolved, literals without asking anybody, unknown ones to nothing")
{
    RunningLoop running;
    const auto count = [&](std::string host) {
        return running.run<std::size_t>([&running, host]() -> Task<std::size_t> {
            const auto addresses = co_await running.loop.resolve(host, 80);
            co_return addresses.size();
        });
    };
    CHECK(count("127.0.0.1") == 1);
    CHECK(count("::1") == 1);
    CHECK(count("localhost") >= 1);
    CHECK(count("localhost") >= 1); // from memory
    CHECK(count("no-such-host.invalid") == 0);
}
