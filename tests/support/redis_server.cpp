// SPDX-License-Identifier: Apache-2.0
#include "tests/support/redis_server.hpp"

#include "core/process.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/wait.hpp"

#include <arpa/inet.h>
#include <cstdlib>
#include <fmt/format.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/wait.h>

namespace conduit::test {
namespace {

pid_t spawn(std::vector<std::string> argv, const fs::path& log)
{
    return spawn_process({.argv = std::move(argv), .stdout_file = log, .die_with_parent = true}).value();
}

bool answers(const redis::Address& address, const redis::Settings& settings)
{
    const auto open = redis::Connection::open_at(address, {}, settings, Deadline(1s));
    return open.has_value() || open.error().kind == ErrorKind::auth ||
           open.error().message.contains("NOAUTH");
}

void end(pid_t& pid)
{
    if (pid == 0)
        return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    pid = 0;
}

} // namespace

bool redis_missing()
{
    if (fs::exists("/usr/bin/redis-server") && fs::exists("/usr/bin/redis-sentinel"))
        return false;
    const char* require = std::getenv("CONDUIT_REQUIRE"); // NOLINT(concurrency-mt-unsafe)
    if (require != nullptr)
        FAIL("redis-server and redis-sentinel are not installed: tools/deps");
    WARN("skipped: redis-server and redis-sentinel are not installed");
    return true;
}

// Bound and freed: redis-server cannot be asked for port 0.
std::uint16_t free_port()
{
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address); // NOLINT
    if (::bind(fd.get(), raw, size) != 0 || ::getsockname(fd.get(), raw, &size) != 0)
        throw std::runtime_error("no port is free");
    return ntohs(address.sin_port);
}

RedisServer::RedisServer(std::vector<std::string> extra, std::uint16_t port)
    : extra_(std::move(extra)), port_(port)
{
    start();
}

RedisServer::~RedisServer()
{
    end(pid_);
}

void RedisServer::start()
{
    std::vector<std::string> argv{"/usr/bin/redis-server",
                                  "--port",
                                  std::to_string(port_),
                                  "--bind",
                                  "127.0.0.1",
                                  "--unixsocket",
                                  socket().string(),
                                  "--save",
                                  "",
                                  "--appendonly",
                                  "no",
                                  "--dir",
                                  folder_.path().string()};
    argv.insert(argv.end(), extra_.begin(), extra_.end());
    pid_ = spawn(argv, folder_.path() / "log");
    if (!eventually([&] { return answers(settings().address, settings()); }))
        throw std::runtime_error("redis-server did not start: " +
                                 read_file(folder_.path() / "log").value_or(""));
}

void RedisServer::kill(int signal)
{
    if (signal == SIGKILL)
        return end(pid_);
    ::kill(pid_, signal);
}

redis::Settings RedisServer::settings() const
{
    redis::Settings settings;
    settings.address = redis::parse_address(socket().string()).value();
    return settings;
}

redis::Settings RedisServer::settings_tcp() const
{
    redis::Settings settings;
    settings.address = redis::parse_address(fmt::format("127.0.0.1:{}", port_)).value();
    return settings;
}

redis::Reply RedisServer::run(std::initializer_list<std::string_view> words)
{
    auto connection = redis::Connection::open(settings(), Deadline(5s));
    if (!connection)
        throw std::runtime_error(connection.error().message);
    return (*connection)->call(words, Deadline(5s)).value();
}

RedisSentinel::RedisSentinel(std::uint16_t master_port, const std::string& name)
{
    const auto file = folder_.path() / "sentinel.conf";
    write_file(file,
               fmt::format("port {}\nbind 127.0.0.1\ndir {}\nsentinel monitor {} 127.0.0.1 {} 1\n"
                           "sentinel down-after-milliseconds {} 500\nsentinel failover-timeout {} 3000\n",
                           port_, folder_.path().string(), name, master_port, name, name))
        .value();
    pid_ = spawn({"/usr/bin/redis-sentinel", file.string()}, folder_.path() / "log");
    redis::Settings settings;
    const auto address = redis::parse_address(fmt::format("127.0.0.1:{}", port_)).value();
    if (!eventually([&] { return answers(address, settings); }))
        throw std::runtime_error("redis-sentinel did not start: " +
                                 read_file(folder_.path() / "log").value_or(""));
}

RedisSentinel::~RedisSentinel()
{
    end(pid_);
}

} // namespace conduit::test
