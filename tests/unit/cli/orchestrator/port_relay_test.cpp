// SPDX-License-Identifier: Apache-2.0
#include "cli/backend/tunnel.hpp"
#include "cli/orchestrator/port_relay.hpp"
#include "core/hash.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_streams.hpp"
#include "tests/support/socket_client.hpp"
#include "tests/support/wait.hpp"

#include <sys/stat.h>

using namespace conduit;
using namespace conduit::test;

namespace {

struct Relayed {
    EchoServer echo;
    FakeStreams streams;
    Cancel cancel;
    std::mutex mutex;
    std::vector<std::string> chosen, faults;
    Listener listener = listen_loopback(0).value();
    std::uint16_t port = listener.port;
    PortRelay relay{std::move(listener.fd),
                    open_port_of(streams, "agent", echo.port(), cancel,
                                 [this](const std::string& instance) {
                                     const std::lock_guard lock(mutex);
                                     chosen.push_back(instance);
                                 }),
                    [this](const Error& error) {
                        const std::lock_guard lock(mutex);
                        faults.push_back(error.message);
                    }};
    std::vector<std::string> seen(const std::vector<std::string>& list)
    {
        const std::lock_guard lock(mutex);
        return list;
    }
};

} // namespace

TEST_CASE("many connections at once come back with what they sent")
{
    Relayed r;
    const std::string text = random_token(1'000'000);
    std::vector<std::jthread> clients;
    std::atomic<int> good{0};
    for (int i = 0; i < 20; ++i)
        clients.emplace_back([&] { good += echoed(connect_to(r.port), text) == text ? 1 : 0; });
    clients.clear();
    CHECK(good == 20);
    CHECK(r.relay.connections() == 20);
    CHECK(r.seen(r.chosen) == std::vector<std::string>{"agent-1"});
}

TEST_CASE("new connections go to another ready instance once the one before is gone")
{
    Relayed r;
    CHECK(echoed(connect_to(r.port), "a") == "a");
    {
        const std::lock_guard lock(r.streams.mutex);
        r.streams.ready["agent"] = {"agent-2", "agent-3"};
    }
    CHECK(echoed(connect_to(r.port), "b") == "b");
    {
        const std::lock_guard lock(r.streams.mutex);
        r.streams.ready["agent"] = {"agent-0", "agent-2"};
    }
    CHECK(echoed(connect_to(r.port), "c") == "c"); // it stays where it is well
    CHECK(r.seen(r.chosen) == std::vector<std::string>{"agent-1", "agent-2"});
}

TEST_CASE("a connection that cannot be opened is told of and closed, and the relay goes on")
{
    Relayed r;
    {
        const std::lock_guard lock(r.streams.mutex);
        r.streams.faults["open_port"] = {ErrorKind::unreachable, "nobody there"};
    }
    CHECK(echoed(connect_to(r.port), "a").empty());
    CHECK(eventually([&] { return r.seen(r.faults) == std::vector<std::string>{"nobody there"}; }));
    {
        const std::lock_guard lock(r.streams.mutex);
        r.streams.faults.clear();
    }
    CHECK(echoed(connect_to(r.port), "a") == "a");
}

TEST_CASE("a relay that ends takes its connections with it")
{
    auto r = std::make_unique<Relayed>();
    const auto client = connect_to(r->port);
    REQUIRE(eventually([&] { return r->relay.connections() == 1; }));
    r.reset();
    CHECK(read_to_end(client.get()).empty());
}

TEST_CASE("a port that is taken is said to be, with a way out")
{
    const auto first = listen_loopback(0).value();
    const auto second = listen_loopback(first.port);
    REQUIRE_FALSE(second);
    CHECK(second.error().message.contains(std::to_string(first.port)));
    CHECK(second.error().hint.contains("0 for one that is free"));
}

TEST_CASE("a tunnel is a socket that only its owner reaches, and goes with it")
{
    EchoServer echo;
    FakeStreams streams;
    const Cancel cancel;
    auto tunnel = Tunnel::open(open_port_of(streams, "agent", echo.port(), cancel)).value();
    const auto path = tunnel->socket();
    CHECK((fs::status(path).permissions() & fs::perms::all) == fs::perms(0600));
    CHECK((fs::status(path.parent_path()).permissions() & fs::perms::all) == fs::perms(0700));
    CHECK(echoed(connect_to(path), "hello") == "hello");
    CHECK_FALSE(tunnel->fault());
    {
        const std::lock_guard lock(streams.mutex);
        streams.faults["open_port"] = {ErrorKind::auth, "not allowed"};
    }
    CHECK(echoed(connect_to(path), "hello").empty());
    REQUIRE(eventually([&] { return tunnel->fault().has_value(); }));
    CHECK(tunnel->fault()->kind == ErrorKind::auth);
    tunnel.reset();
    CHECK_FALSE(fs::exists(path.parent_path()));
}
