// SPDX-License-Identifier: Apache-2.0
// libpq through a tunnel to a pod's port, the cancelling of a statement included.
#include "cli/backend/postgres_tunnel.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_streams.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/wait.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>

using namespace conduit;
using namespace conduit::test;

namespace {

class OnePod final : public Endpoints {
  public:
    explicit OnePod(int port) : port_(port) {}
    Result<ServiceEndpoints> of(const std::string& service, Deadline) override
    {
        ServiceEndpoints out{.service = service};
        out.addresses.push_back({.instance = "postgres-0",
                                 .ports = {"postgres " + std::to_string(port_) + "/TCP"},
                                 .ready = true});
        return out;
    }
    Result<std::vector<std::string>> services(Deadline) override { return std::vector<std::string>{}; }

  private:
    int port_;
};

// Bound and freed: postgres cannot be asked for port 0.
std::uint16_t a_free_port()
{
    return listen_loopback(0).value().port;
}

} // namespace

TEST_CASE("a statement goes through the tunnel and is cancelled through it")
{
    if (postgres_missing())
        return;
    const auto port = a_free_port();
    const PostgresServer server({"listen_addresses=127.0.0.1", "port=" + std::to_string(port)});
    FakeStreams streams;
    OnePod pod(port);
    const Cancel cancel;
    const auto database = postgres::make_database(
        {.identity = "postgres x at service postgres", .database = "postgres", .user = "postgres"},
        [&](Deadline) -> Result<postgres::Late> {
            postgres::Late late;
            TRY_ASSIGN(auto opened,
                       PostgresTunnel::open(open_service_port(pod, streams, "postgres", 5432, cancel), 5432));
            const std::shared_ptr<PostgresTunnel> tunnel = std::move(opened);
            late.host = tunnel->folder().string();
            late.fault = [tunnel] { return tunnel->fault(); };
            late.kept = tunnel;
            return late;
        },
        nullptr);
    const auto done =
        database->run({.text = "SELECT count(*) AS n FROM generate_series(1, 1000)"}, Deadline(10s));
    REQUIRE(done.has_value());
    CHECK(done->value("n") == "1000");
    const auto slow = database->run({.text = "SELECT pg_sleep(60), 'through-the-tunnel'"}, Deadline(300ms));
    REQUIRE_FALSE(slow.has_value());
    CHECK(slow.error().message.contains("cancelled on the server"));
    CHECK(eventually([&] {
        return server.text("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE "
                           "'%through-the-tunnel%' AND pid <> pg_backend_pid()") == "0";
    }));
    CHECK(streams.opened.size() == 2); // the session, and what cancelled it
}
