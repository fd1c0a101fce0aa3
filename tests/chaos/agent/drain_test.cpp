// SPDX-License-Identifier: Apache-2.0
// Nothing in flight is cut by what operators do.
#include "tests/integration/agent/common.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;
using namespace conduit::test;

namespace {

// Clients that ask one after another until told to stop.
struct Load {
    std::atomic<bool> stop{false};
    std::atomic<int> good{0}, bad{0};
    std::vector<std::thread> threads;
    Load(int port, int clients)
    {
        for (int i = 0; i < clients; ++i)
            threads.emplace_back([this, port] {
                while (!stop) {
                    const auto answer = speak(port);
                    ++(answer.status() == 200 && answer.whole ? good : bad);
                }
            });
    }
    ~Load()
    {
        stop = true;
        for (auto& thread : threads)
            thread.join();
    }
};

} // namespace

TEST_CASE("a pool reset under load closes old connections and cuts no request")
{
    ScriptedProvider provider(mp3_answer);
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    {
        Load load(agent.port(), 8);
        for (int epoch = 1; epoch <= 5; ++epoch) {
            const int before = load.good;
            CHECK(eventually([&] { return load.good > before + 20; }));
            const int connections = provider.connections();
            agent.set("pool/reset_epoch", std::to_string(epoch));
            CHECK(eventually([&] { return provider.connections() > connections; }));
        }
        CHECK(load.bad == 0);
    }
    CHECK(agent.server().pool_stats().at(0).draining == 0);
}

TEST_CASE("a disabled provider gets no new request and loses none in flight")
{
    std::atomic<bool> release{false};
    ScriptedProvider slow([&](const auto&) {
        eventually([&] { return release.load(); });
        return http_answer(200, "audio/mpeg", "SLOW");
    });
    ScriptedProvider other(mp3_answer);
    TestAgent agent(
        agent_yaml(provider_line("slow", slow.url(), 1000) + provider_line("other", other.url(), 1)));
    std::string body;
    std::thread client([&] { body = speak(agent.port()).body; });
    CHECK(eventually([&] { return slow.requests() == 1; }));
    agent.set("providers/slow/enabled", "false");
    for (int i = 0; i < 10; ++i)
        CHECK(speak(agent.port()).body == "MP3DATA");
    release = true;
    client.join();
    CHECK(body == "SLOW");
    CHECK(slow.requests() == 1);
}

TEST_CASE("stopping waits for the requests in flight and refuses new connections")
{
    std::atomic<bool> release{false};
    ScriptedProvider provider([&](const auto&) {
        eventually([&] { return release.load(); });
        return http_answer(200, "audio/mpeg", "LATE");
    });
    TestAgent agent(agent_yaml(provider_line("openai", provider.url())));
    RawConnection idle = RawConnection::to(agent.port());
    std::string body;
    std::thread client([&] { body = speak(agent.port()).body; });
    CHECK(eventually([&] { return provider.requests() == 1; }));
    std::thread stopper([&] { agent.stop(10s); });
    CHECK(idle.closed());
    CHECK(body.empty());
    release = true;
    client.join();
    stopper.join();
    CHECK(body == "LATE");
}

TEST_CASE("a provider that dies under load at weight 70 costs no client request and comes back")
{
    std::atomic<bool> down{false};
    ScriptedProvider main_provider(
        [&](const auto&) { return down ? std::string("RESET") : http_answer(200, "audio/mpeg", "MP3DATA"); });
    ScriptedProvider other(mp3_answer);
    TestAgent agent(
        agent_yaml(provider_line("main", main_provider.url(), 70) + provider_line("other", other.url(), 30),
                   "limits: {retry_floor: 1000/10s}\n"
                   "health: {breaker_open_min: 100ms, breaker_open_max: 200ms}\n"));
    Load load(agent.port(), 4);
    CHECK(eventually([&] { return load.good > 50; }));
    down = true;
    const int during = load.good;
    CHECK(eventually([&] { return load.good > during + 200; }));
    down = false;
    const int back = main_provider.requests();
    CHECK(eventually([&] { return main_provider.requests() > back + 100; }));
    CHECK(load.bad == 0);
}
