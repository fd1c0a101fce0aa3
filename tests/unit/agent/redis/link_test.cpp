// SPDX-License-Identifier: Apache-2.0
// The link against a server that does what the test says.
#include "agent/redis/link.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/socket_client.hpp"
#include "tests/support/wait.hpp"

#include <atomic>
#include <fmt/format.h>

using namespace conduit;
using namespace conduit::agent;
using namespace conduit::test;

namespace {

// Answers each command line by line with what `reply` says; "" is silence.
class ScriptedServer {
  public:
    explicit ScriptedServer(std::function<std::string(const std::string&)> reply)
        : reply_(std::move(reply)), fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))
    {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* raw = reinterpret_cast<sockaddr*>(&address); // NOLINT
        ::bind(fd_.get(), raw, size);
        ::listen(fd_.get(), 16);
        ::getsockname(fd_.get(), raw, &size);
        settings.address = redis::parse_address(fmt::format("127.0.0.1:{}", ntohs(address.sin_port))).value();
        settings.connect_timeout = 500ms;
        thread_ = std::jthread([this] { run(); });
    }
    ~ScriptedServer()
    {
        ending_ = true;
        ::shutdown(fd_.get(), SHUT_RDWR);
        const std::lock_guard lock(mutex_);
        if (client_)
            ::shutdown(client_.get(), SHUT_RDWR);
    }
    ScriptedServer(const ScriptedServer&) = delete;
    redis::Settings settings;
    std::atomic<int> connections{0};

  private:
    void run()
    {
        while (!ending_) {
            UniqueFd client(::accept(fd_.get(), nullptr, nullptr));
            if (!client)
                return;
            ++connections;
            const int fd = client.get();
            {
                const std::lock_guard lock(mutex_);
                client_ = std::move(client);
            }
            serve(fd);
        }
    }
    void serve(int fd)
    {
        redis::ReplyReader reader;
        std::array<char, 4096> buffer{};
        for (;;) {
            const auto got = ::recv(fd, buffer.data(), buffer.size(), 0);
            if (got <= 0)
                return;
            reader.feed({buffer.data(), static_cast<std::size_t>(got)});
            while (auto command = reader.next().value()) {
                const auto answer = reply_(command->items.empty() ? "" : command->items[0].text);
                if (answer == "close")
                    return void(::shutdown(fd, SHUT_RDWR));
                send_all(fd, answer);
            }
        }
    }
    std::function<std::string(const std::string&)> reply_;
    UniqueFd fd_;
    std::mutex mutex_;
    UniqueFd client_;
    std::atomic<bool> ending_{false};
    std::jthread thread_;
};

std::string usual(const std::string& word)
{
    return word == "PING" ? "+PONG\r\n" : "$2\r\nhi\r\n";
}

RedisLinkOptions quick()
{
    return {.hang = 200ms, .heartbeat = 100ms, .first_pause = 5ms, .longest_pause = 20ms};
}

} // namespace

TEST_CASE("without settings the link is away and answers at once")
{
    RedisLink link;
    CHECK_FALSE(link.up());
    CHECK_FALSE(link.ask(redis::command({"GET", "k"}), 10s));
    CHECK_FALSE(link.state().configured);
}

TEST_CASE("answers come in order, and from many threads")
{
    ScriptedServer server(usual);
    RedisLink link(quick());
    link.configure(server.settings);
    REQUIRE(eventually([&] { return link.up(); }));
    std::atomic<int> good{0};
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&] {
                for (int i = 0; i < 100; ++i) {
                    const auto reply = link.ask(redis::command({"GET", "k"}), 5s);
                    good += reply && reply->text == "hi" ? 1 : 0;
                }
            });
    }
    CHECK(good == 400);
    CHECK(link.state().commands >= 400);
}

TEST_CASE("a server that hangs costs the first requests their deadline and the later ones nothing")
{
    std::atomic<bool> hangs{false};
    ScriptedServer server([&](const std::string& word) { return hangs ? "" : usual(word); });
    RedisLink link(quick());
    link.configure(server.settings);
    REQUIRE(eventually([&] { return link.up(); }));
    hangs = true;
    const auto before = std::chrono::steady_clock::now();
    const auto late = link.ask(redis::command({"GET", "k"}), 50ms);
    const auto took = std::chrono::steady_clock::now() - before;
    REQUIRE_FALSE(late);
    CHECK(took >= 49ms);
    CHECK(eventually([&] { return !link.up(); }));
    CHECK_FALSE(link.ask(redis::command({"GET", "k"}), 10s));
    CHECK(eventually([&] {
        return link.state().error.contains("cannot") || link.state().error.contains("hangs") ||
               link.state().error.contains("in time");
    }));
    hangs = false;
    CHECK(eventually([&] { return link.up(); }));
    CHECK(link.ask(redis::command({"GET", "k"}), 5s)->text == "hi");
}

TEST_CASE("an idle connection that dies is noticed without a request")
{
    std::atomic<bool> hangs{false};
    ScriptedServer server([&](const std::string& word) { return hangs ? "" : usual(word); });
    RedisLink link(quick());
    link.configure(server.settings);
    REQUIRE(eventually([&] { return link.up(); }));
    hangs = true;
    CHECK(eventually([&] { return !link.up(); }));
    CHECK(link.state().since != WallTime{});
}

TEST_CASE("a master that has become a replica is left for another connection")
{
    std::atomic<bool> demoted{false};
    ScriptedServer server([&](const std::string& word) {
        return word == "SET" && demoted ? "-READONLY You can't write against a read only replica.\r\n"
                                        : usual(word);
    });
    RedisLink link(quick());
    link.configure(server.settings);
    REQUIRE(eventually([&] { return link.up(); }));
    const int before = server.connections;
    demoted = true;
    CHECK_FALSE(link.ask(redis::command({"SET", "k", "v"}), 5s));
    CHECK(eventually([&] { return server.connections > before; }));
}

TEST_CASE("a server that a sentinel names as master and that is none is not used")
{
    std::atomic<bool> promoted{false};
    ScriptedServer server([&](const std::string& word) {
        if (word == "ROLE")
            return std::string(promoted ? "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n" : "*1\r\n$5\r\nslave\r\n");
        return usual(word);
    });
    const auto port = std::to_string(server.settings.address.port);
    ScriptedServer sentinel([&](const std::string& word) {
        if (word == "SENTINEL")
            return fmt::format("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{}\r\n", port.size(), port);
        return usual(word);
    });
    ScriptedServer liar([](const std::string& word) {
        return word == "SENTINEL" ? "*2\r\n$3\r\na b\r\n$1\r\n0\r\n" : usual(word);
    });
    redis::Settings settings;
    settings.master = "cache";
    settings.sentinels = {liar.settings.address, sentinel.settings.address};
    RedisLink link(quick());
    link.configure(settings);
    REQUIRE(eventually([&] { return link.state().error.contains("is named as master and is none"); }));
    CHECK(link.state().error.contains("no address of a Redis server"));
    CHECK_FALSE(link.up());
    promoted = true;
    CHECK(eventually([&] { return link.up(); }));
}

TEST_CASE("what is not Redis never comes up, and bytes nobody asked for end the connection")
{
    ScriptedServer web([](const std::string&) { return "HTTP/1.1 400 Bad Request\r\n\r\n"; });
    RedisLink link(quick());
    link.configure(web.settings);
    CHECK(eventually([&] { return web.connections >= 3; }));
    CHECK_FALSE(link.up());
    CHECK(link.state().error.contains("not of a Redis server"));

    ScriptedServer chatty(
        [](const std::string& word) { return usual(word) + (word == "GET" ? "$2\r\nhi\r\n" : ""); });
    RedisLink other(quick());
    other.configure(chatty.settings);
    REQUIRE(eventually([&] { return other.up(); }));
    const int before = chatty.connections;
    (void)other.ask(redis::command({"GET", "k"}), 5s).has_value();
    CHECK(eventually([&] { return chatty.connections > before; }));
}

TEST_CASE("a connection that is cut fails what is asked, once, and comes back by itself")
{
    std::atomic<int> left{1};
    ScriptedServer server(
        [&](const std::string& word) { return word == "GET" && left-- > 0 ? "close" : usual(word); });
    RedisLink link(quick());
    link.configure(server.settings);
    REQUIRE(eventually([&] { return link.up(); }));
    CHECK_FALSE(link.ask(redis::command({"GET", "k"}), 5s));
    CHECK(eventually([&] { return link.ask(redis::command({"GET", "k"}), 5s).has_value(); }));
}

TEST_CASE("a link that waits for a server lets go of it at once when it stops or is to use another")
{
    ScriptedServer silent([](const std::string&) { return ""; });
    ScriptedServer good(usual);
    silent.settings.connect_timeout = 60s;
    RedisLink link(quick());
    link.configure(silent.settings);
    REQUIRE(eventually([&] { return silent.connections > 0; }));
    link.configure(good.settings);
    CHECK(eventually([&] { return link.up(); }));
    link.configure(silent.settings);
    REQUIRE(eventually([&] { return silent.connections > 1; }));
    const auto before = std::chrono::steady_clock::now();
    link.stop();
    CHECK(std::chrono::steady_clock::now() - before < 10s);
}

TEST_CASE("what is asked when the link stops fails, and nothing is called afterwards")
{
    ScriptedServer server([](const std::string& word) { return word == "PING" ? usual(word) : ""; });
    std::atomic<int> called{0};
    RedisLink link({.hang = 10s});
    link.configure(server.settings);
    REQUIRE(eventually([&] { return link.up(); }));
    for (int i = 0; i < 10; ++i)
        link.submit(
            redis::command({"GET", "k"}),
            [&](const Result<redis::Reply>& reply) { called += reply ? 100 : 1; }, 60s);
    link.stop();
    CHECK(called == 10);
    CHECK_FALSE(link.ask(redis::command({"GET", "k"}), 60s));
}
