// SPDX-License-Identifier: Apache-2.0
// Servers whose announced addresses lead nowhere from here, reached through the pods that have them.
#include "cli/backend/pod_sockets.hpp"
#include "cli/backend/redis/servers.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_streams.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/wait.hpp"

#include <fmt/format.h>
#include <map>

using namespace conduit;
using namespace conduit::test;

namespace {

class FakeEndpoints final : public Endpoints {
  public:
    Result<ServiceEndpoints> of(const std::string& service, Deadline) override
    {
        ++asked;
        const auto found = known.find(service);
        if (found == known.end())
            return fail(ErrorKind::not_found, "no service " + service);
        return found->second;
    }
    Result<std::vector<std::string>> services(Deadline) override
    {
        std::vector<std::string> names;
        for (const auto& [name, one] : known)
            names.push_back(name);
        return names;
    }
    std::map<std::string, ServiceEndpoints> known;
    int asked = 0;
};

EndpointAddress pod(const std::string& address, const std::string& name, std::uint16_t port,
                    bool ready = true)
{
    return {.address = address,
            .instance = name,
            .node = "n1",
            .ports = {fmt::format("redis {}/TCP", port)},
            .ready = ready};
}

struct Inside {
    Inside()
    {
        streams.ready = {{"redis", {"redis-0", "redis-1"}}};
        endpoints.known["redis"] = {.service = "redis",
                                    .addresses = {pod("10.1.0.1", "redis-0", server.port()),
                                                  pod("10.1.0.2", "redis-1", server.port(), false)}};
        endpoints.known["empty"] = {.service = "empty", .reason = "its selector chooses nothing"};
        endpoints.known["other"] = {.service = "other", .addresses = {pod("10.1.0.9", "redis-1", 1)}};
    }
    RedisServer server;
    FakeStreams streams;
    FakeEndpoints endpoints;
    Cancel cancel;
};

} // namespace

TEST_CASE("a service, a pod's name and a pod's address lead to the pod")
{
    if (redis_missing())
        return;
    Inside inside;
    PodSockets sockets(inside.endpoints, inside.streams, "redis", inside.cancel);
    // 6379 is what the service calls it; the pod listens elsewhere, where the service says so.
    const auto by_service = sockets.socket_of("redis", 6379, Deadline(5s));
    REQUIRE(by_service);
    redis::Settings settings;
    settings.address.socket = *by_service;
    settings.address.text = "redis:6379";
    auto connection = redis::Connection::open(settings, Deadline(5s));
    INFO((connection ? "" : connection.error().message));
    REQUIRE(connection);
    CHECK((*connection)->call({"SET", "k", "v"}, Deadline(5s)).value().text == "OK");
    CHECK(inside.server.run({"GET", "k"}).text == "v");
    CHECK(inside.streams.opened.back() == "redis-0"); // the one that is ready

    for (const std::string host :
         {"10.1.0.2", "redis-1", "redis-1.redis-headless.production.svc.cluster.local"}) {
        INFO(host);
        const auto socket = sockets.socket_of(host, inside.server.port(), Deadline(5s));
        REQUIRE(socket);
        settings.address.socket = *socket;
        REQUIRE(redis::Connection::open(settings, Deadline(5s)));
        CHECK(inside.streams.opened.back() == "redis-1");
    }
    // A tunnel is opened once.
    const auto asked = inside.endpoints.asked;
    CHECK(sockets.socket_of("redis", 6379, Deadline(5s)).value() == *by_service);
    CHECK(inside.endpoints.asked == asked);
    CHECK(sockets.socket_of("10.1.0.9", 6379, Deadline(5s)).has_value()); // of another service
}

TEST_CASE("an address of no pod, and a service without one that is ready, are told")
{
    if (redis_missing())
        return;
    Inside inside;
    PodSockets sockets(inside.endpoints, inside.streams, "redis", inside.cancel);
    const auto nobody = sockets.socket_of("10.9.9.9", 6379, Deadline(5s));
    REQUIRE_FALSE(nobody);
    CHECK(nobody.error().kind == ErrorKind::not_found);
    const auto empty = sockets.socket_of("empty", 6379, Deadline(5s));
    REQUIRE_FALSE(empty);
    CHECK(empty.error().kind == ErrorKind::unreachable);
    CHECK(empty.error().message.contains("its selector chooses nothing"));
}

TEST_CASE("servers that are reached through tunnels keep the addresses that they announce")
{
    if (redis_missing())
        return;
    Inside inside;
    const auto sockets =
        std::make_shared<PodSockets>(inside.endpoints, inside.streams, "redis", inside.cancel);
    RedisAccess access;
    access.settings.address = redis::parse_address("redis:6379").value();
    access.reach = [sockets](const redis::Address& to, Deadline deadline) -> Result<redis::Address> {
        auto out = to;
        TRY_ASSIGN(out.socket, sockets->socket_of(to.host, to.port, deadline));
        return out;
    };
    access.fault = [sockets](const redis::Address& to) { return sockets->fault_of(to.host, to.port); };
    const auto servers = make_redis_servers(access, &inside.cancel);
    const auto session = servers->open(Deadline(5s));
    REQUIRE(session);
    CHECK((*session)->name() == "redis:6379");
    const auto announced = fmt::format("10.1.0.2:{}", inside.server.port());
    CHECK(servers->open_at(announced, Deadline(5s)).value()->name() == announced);
    // What the client only sees end says why.
    inside.streams.faults["open_port"] = {ErrorKind::auth, "pods/portforward is forbidden"};
    const auto refused = servers->open(Deadline(5s));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().cause.contains("forbidden"));
}
