// SPDX-License-Identifier: Apache-2.0
#include "agent/net/stream.hpp"
#include "core/fs.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/agent/net/running_loop.hpp"

#include <arpa/inet.h>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace conduit;
using namespace conduit::agent;

namespace {

struct Pair {
    UniqueFd ours, theirs; // theirs blocks
};

Pair connected()
{
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    const int flags = ::fcntl(fds[0], F_GETFL);
    REQUIRE(::fcntl(fds[0], F_SETFL, flags | O_NONBLOCK) == 0);
    return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::string read_all(int fd, std::size_t size)
{
    std::string got(size, '\0');
    std::size_t at = 0;
    while (at < size) {
        const ssize_t step = ::read(fd, got.data() + at, size - at);
        if (step <= 0)
            break;
        at += static_cast<std::size_t>(step);
    }
    got.resize(at);
    return got;
}

struct Seen {
    IoStatus status = IoStatus::ok;
    std::string text;
};

Task<Seen> read_once(Loop& loop, int fd, Duration limit, std::size_t room = 64)
{
    Stream stream(loop, fd);
    stream.set_deadline(std::chrono::steady_clock::now() + limit);
    std::string buffer(room, '\0');
    const IoResult got = co_await stream.read(buffer.data(), buffer.size());
    co_return Seen{got.status, buffer.substr(0, got.bytes)};
}

} // namespace

TEST_CASE("a read gets what is there, waits for what is not, and sees the end")
{
    RunningLoop running;
    SECTION("bytes that are already there")
    {
        auto pair = connected();
        REQUIRE(::write(pair.theirs.get(), "hello", 5) == 5);
        const auto seen = running.run<Seen>([&] { return read_once(running.loop, pair.ours.release(), 5s); });
        CHECK(seen.text == "hello");
    }
    SECTION("bytes that come later")
    {
        auto pair = connected();
        std::thread later([&] { CHECK(::write(pair.theirs.get(), "late", 4) == 4); });
        const auto seen = running.run<Seen>([&] { return read_once(running.loop, pair.ours.release(), 5s); });
        later.join();
        CHECK(seen.text == "late");
    }
    SECTION("the peer's end")
    {
        auto pair = connected();
        pair.theirs.reset();
        const auto seen = running.run<Seen>([&] { return read_once(running.loop, pair.ours.release(), 5s); });
        CHECK(seen.status == IoStatus::eof);
    }
    SECTION("nothing until the deadline")
    {
        auto pair = connected();
        const auto seen =
            running.run<Seen>([&] { return read_once(running.loop, pair.ours.release(), 30ms); });
        CHECK(seen.status == IoStatus::timeout);
    }
}

// Edges are told once: bytes that one read left behind must be found by the next without a further event.
TEST_CASE("bytes that a read had no room for, and an end behind them, are found by the next ones")
{
    RunningLoop running;
    auto pair = connected();
    REQUIRE(::write(pair.theirs.get(), "abcdefg", 7) == 7);
    pair.theirs.reset();
    const int fd = pair.ours.release();
    const auto parts = running.run<std::vector<std::string>>([&]() -> Task<std::vector<std::string>> {
        Stream stream(running.loop, fd);
        stream.set_deadline(std::chrono::steady_clock::now() + 5s);
        std::vector<std::string> read;
        char buffer[3];
        for (;;) {
            const IoResult ready = co_await stream.wait_readable();
            if (!ready)
                break;
            const IoResult got = co_await stream.read(buffer, sizeof buffer);
            if (!got) {
                read.emplace_back(got.status == IoStatus::eof ? "end" : "fault");
                break;
            }
            read.emplace_back(buffer, got.bytes);
        }
        co_return read;
    });
    CHECK(parts == std::vector<std::string>{"abc", "def", "g", "end"});
}

TEST_CASE("a write larger than the socket's room arrives whole while the peer reads")
{
    RunningLoop running;
    auto pair = connected();
    const std::string large(4U << 20U, 'x');
    std::string got;
    std::thread reader([&] { got = read_all(pair.theirs.get(), large.size() + 2); });
    const int fd = pair.ours.release();
    const auto sent = running.run<std::size_t>([&]() -> Task<std::size_t> {
        Stream stream(running.loop, fd);
        stream.set_write_deadline(std::chrono::steady_clock::now() + 10s);
        const std::string_view pieces[] = {"<", large, ">"};
        const IoResult result = co_await stream.write(pieces);
        co_return result ? result.bytes : 0;
    });
    reader.join();
    CHECK(sent == large.size() + 2);
    CHECK(got == "<" + large + ">");
}

TEST_CASE("a write that nobody reads ends at its deadline")
{
    RunningLoop running;
    auto pair = connected();
    const int fd = pair.ours.release();
    const auto status = running.run<IoStatus>([&]() -> Task<IoStatus> {
        Stream stream(running.loop, fd);
        stream.set_write_deadline(std::chrono::steady_clock::now() + 50ms);
        const std::string large(4U << 20U, 'x');
        const IoResult result = co_await stream.write(large);
        co_return result.status;
    });
    CHECK(status == IoStatus::timeout);
}

TEST_CASE("a read is ended by cancel and by interrupt, and only cancel stays")
{
    RunningLoop running;
    auto pair = connected();
    const int fd = pair.ours.release();
    const auto seen = running.run<std::vector<IoStatus>>([&]() -> Task<std::vector<IoStatus>> {
        Stream stream(running.loop, fd);
        std::vector<IoStatus> all;
        char buffer[8];
        running.loop.post([&stream] { stream.interrupt_read(); });
        IoResult got = co_await stream.read(buffer, sizeof buffer);
        all.push_back(got.status);
        running.loop.post([&pair] { CHECK(::write(pair.theirs.get(), "x", 1) == 1); });
        got = co_await stream.read(buffer, sizeof buffer);
        all.push_back(got.status);
        running.loop.post([&stream] { stream.cancel(); });
        got = co_await stream.read(buffer, sizeof buffer);
        all.push_back(got.status);
        got = co_await stream.read(buffer, sizeof buffer);
        all.push_back(got.status);
        co_return all;
    });
    CHECK(seen == std::vector{IoStatus::cancelled, IoStatus::ok, IoStatus::cancelled, IoStatus::cancelled});
}

TEST_CASE("connecting succeeds, and a refusal says so")
{
    RunningLoop running;
    const auto attempt = [&](std::uint16_t port, const char* host, Duration limit) {
        return running.run<int>([&running, port, host, limit]() -> Task<int> {
            const auto addresses = co_await running.loop.resolve(host, port);
            int error = 0;
            const auto stream = co_await Stream::connect(running.loop, addresses.at(0),
                                                         std::chrono::steady_clock::now() + limit, error);
            co_return stream ? 0 : error;
        });
    };
    UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    const auto port = ntohs(address.sin_port);
    CHECK(attempt(port, "127.0.0.1", 5s) == ECONNREFUSED); // bound, not listening
    REQUIRE(::listen(listener.get(), 1) == 0);
    CHECK(attempt(port, "127.0.0.1", 5s) == 0);
}
