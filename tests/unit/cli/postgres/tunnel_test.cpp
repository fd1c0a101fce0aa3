// SPDX-License-Identifier: Apache-2.0
#include "cli/backend/postgres_tunnel.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_streams.hpp"
#include "tests/support/wait.hpp"

#include <cstring>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

using namespace conduit;
using namespace conduit::test;

namespace {

class FakeEndpoints final : public Endpoints {
  public:
    Result<ServiceEndpoints> of(const std::string& service, Deadline) override
    {
        if (service != "postgres")
            return fail(ErrorKind::not_found, "unknown service " + service);
        ServiceEndpoints out{.service = service};
        for (const auto& [pod, ready] : pods)
            out.addresses.push_back(
                {.instance = pod, .ports = {"postgres " + std::to_string(port) + "/TCP"}, .ready = ready});
        out.reason = "no pod is ready";
        return out;
    }
    Result<std::vector<std::string>> services(Deadline) override
    {
        return std::vector<std::string>{"postgres"};
    }

    std::vector<std::pair<std::string, bool>> pods{{"postgres-0", true}, {"postgres-1", true}};
    int port = 0;
};

// Says "hello" to each that connects.
class Greeter {
  public:
    Greeter() : listener_(listen_loopback(0).value())
    {
        thread_ = std::jthread([this](const std::stop_token& stop) {
            while (!stop.stop_requested()) {
                const UniqueFd client(::accept(listener_.fd.get(), nullptr, nullptr));
                if (client)
                    (void)!::write(client.get(), "hello", 5);
            }
        });
    }
    ~Greeter()
    {
        thread_.request_stop();
        ::shutdown(listener_.fd.get(), SHUT_RDWR);
    }
    Greeter(const Greeter&) = delete;
    Greeter& operator=(const Greeter&) = delete;
    int port() const { return listener_.port; }

  private:
    Listener listener_;
    std::jthread thread_;
};

std::string greeting(const fs::path& socket)
{
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::strncpy(to.sun_path, socket.c_str(), sizeof to.sun_path - 1);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) !=
        0) // NOLINT: the sockets API
        return "refused";
    std::string out;
    char letter = 0;
    while (::read(fd.get(), &letter, 1) == 1)
        out += letter;
    return out;
}

} // namespace

TEST_CASE("the socket lies where libpq looks for it, in a folder of this user alone")
{
    const Greeter server;
    FakeStreams streams;
    FakeEndpoints endpoints;
    endpoints.port = server.port();
    const Cancel cancel;
    fs::path folder;
    {
        const auto tunnel =
            PostgresTunnel::open(open_service_port(endpoints, streams, "postgres", 5432, cancel), 5432);
        REQUIRE(tunnel.has_value());
        folder = (*tunnel)->folder();
        struct stat about{};
        REQUIRE(::stat(folder.c_str(), &about) == 0);
        CHECK((about.st_mode & 0777) == 0700);
        CHECK(greeting(folder / ".s.PGSQL.5432") == "hello");
    }
    CHECK_FALSE(fs::exists(folder));
}

TEST_CASE("connections go to one pod as long as it is ready, then to another")
{
    const Greeter server;
    FakeStreams streams;
    FakeEndpoints endpoints;
    endpoints.port = server.port();
    const Cancel cancel;
    const auto tunnel =
        PostgresTunnel::open(open_service_port(endpoints, streams, "postgres", 5432, cancel), 5433);
    REQUIRE(tunnel.has_value());
    const auto socket = (*tunnel)->folder() / ".s.PGSQL.5433";
    CHECK(greeting(socket) == "hello");
    std::ranges::reverse(endpoints.pods); // the order of the list means nothing
    CHECK(greeting(socket) == "hello");
    endpoints.pods = {{"postgres-0", false}, {"postgres-1", true}};
    CHECK(greeting(socket) == "hello");
    CHECK(streams.opened == std::vector<std::string>{"postgres-0", "postgres-0", "postgres-1"});
}

TEST_CASE("a service without a ready pod says so through the tunnel")
{
    FakeStreams streams;
    FakeEndpoints endpoints;
    endpoints.pods = {{"postgres-0", false}};
    const Cancel cancel;
    const auto tunnel =
        PostgresTunnel::open(open_service_port(endpoints, streams, "postgres", 5432, cancel), 5432);
    REQUIRE(tunnel.has_value());
    CHECK(greeting((*tunnel)->folder() / ".s.PGSQL.5432").empty());
    REQUIRE(eventually([&] { return (*tunnel)->fault().has_value(); })); // noted after the client was let go
    CHECK((*tunnel)->fault()->message.contains("no pod that is ready"));
    CHECK((*tunnel)->fault()->hint.contains("net endpoints postgres"));
}
