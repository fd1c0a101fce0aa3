// SPDX-License-Identifier: Apache-2.0
// Ctrl-C on a real terminal: the built program with a pseudo-terminal as its controlling one, and a real
// agent behind a proxy that can keep an answer back.
#include "core/text.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/raw_http.hpp"
#include "tests/support/real_agent.hpp"
#include "tests/support/wait.hpp"

#include <array>
#include <atomic>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace conduit;
using namespace conduit::test;

namespace {

constexpr const char* k_ctrl_c = "\x03";

// Passes everything on, but for writes while it holds them: those never arrive.
struct Proxy {
    explicit Proxy(const std::string& url) : to(std::stoi(url.substr(url.rfind(':') + 1))) {}
    std::string request_of(const RawConnection::Message& message) const
    {
        std::string text = message.start + "\r\n";
        for (const auto& [name, value] : message.headers)
            text += name == "connection" ? "" : fmt::format("{}: {}\r\n", name, value);
        return text + "connection: close\r\n\r\n" + message.body;
    }
    void serve(RawConnection& client)
    {
        const auto message = client.read_message();
        if (message.start.empty())
            return;
        if (hold && message.start.starts_with("PATCH")) {
            ++held;
            client.closed(std::chrono::seconds(30));
            return;
        }
        auto agent = RawConnection::to(to);
        agent.send(request_of(message));
        for (auto piece = agent.receive(); !piece.empty(); piece = agent.receive())
            client.send(piece);
    }
    int to;
    std::atomic<bool> hold{false};
    std::atomic<int> held{0};
    ScriptedServer server{[this](RawConnection& client, int) { serve(client); }};
};

class Terminal {
  public:
    Terminal(const fs::path& home, const std::vector<std::string>& words)
    {
        std::vector<std::string> argv{CONDUIT_BIN_DIR "/conduitctl"};
        argv.insert(argv.end(), words.begin(), words.end());
        std::vector<char*> pointers;
        for (auto& word : argv)
            pointers.push_back(word.data());
        pointers.push_back(nullptr);
        pid_ = ::forkpty(&master_, nullptr, nullptr, nullptr);
        if (pid_ == 0) {
            for (const auto* name : {"CONFIG", "STATE", "DATA", "CACHE"})
                ::setenv(fmt::format("XDG_{}_HOME", name).c_str(), (home / to_lower(name)).c_str(), 1);
            ::setenv("HOME", home.c_str(), 1);
            ::setenv("TERM", "xterm", 1);
            ::execv(pointers[0], pointers.data());
            ::_exit(99);
        }
    }
    ~Terminal()
    {
        if (pid_ > 0)
            ::kill(pid_, SIGKILL);
        ::close(master_);
    }
    Terminal(const Terminal&) = delete;

    void type(const char* text) { REQUIRE(::write(master_, text, ::strlen(text)) > 0); }
    bool shows(const std::string& text, std::chrono::milliseconds limit = std::chrono::seconds(10))
    {
        return eventually(
            [&] {
                read_some();
                return seen.find(text) != std::string::npos;
            },
            limit);
    }
    int exit_code()
    {
        int status = 0;
        const bool ended = eventually([&] {
            read_some();
            return ::waitpid(pid_, &status, WNOHANG) == pid_;
        });
        if (!ended)
            return -1;
        read_some();
        pid_ = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

    std::string seen;

  private:
    void read_some()
    {
        pollfd ready{master_, POLLIN, 0};
        std::array<char, 4096> buffer{};
        while (::poll(&ready, 1, 0) > 0) {
            const auto n = ::read(master_, buffer.data(), buffer.size());
            if (n <= 0)
                return;
            seen.append(buffer.data(), static_cast<std::size_t>(n));
        }
    }
    pid_t pid_ = 0;
    int master_ = -1;
};

struct Desk {
    Desk()
    {
        const auto token = home.path() / "token";
        REQUIRE(write_file(token, "operator-secret\n"));
        REQUIRE(make_dirs(home.path() / "config/conduitctl"));
        REQUIRE(
            write_file(home.path() / "config/conduitctl/config.yaml",
                       fmt::format("contexts: {{local: {{agent: {{urls: [\"{}\"], token: \"file:{}\"}}}}}}\n",
                                   proxy.server.url(), token.string())));
    }
    Json overrides()
    {
        return (*real.agents()->ask({.path = "/admin/v1/state"}, Deadline::never()).value())["items"];
    }
    // The verdict of the newest operation; its id in `operation`.
    std::string newest()
    {
        Terminal history(home.path(), {"history", "ls", "-o", "jsonpath={.items[0].id} {.items[0].verdict}"});
        CHECK(history.exit_code() == 0);
        const auto words = split(trim(history.seen), ' ');
        operation = words.empty() ? "" : words.front();
        return words.size() > 1 ? words[1] : "";
    }

    RealAgent real;
    Proxy proxy{real.admin_url()};
    TempDir home = TempDir::make("conduit-tty").value();
    std::string operation;
};

} // namespace

TEST_CASE("Ctrl-C at the question changes nothing: 130, and no operation was begun")
{
    Desk desk;
    Terminal terminal(desk.home.path(), {"provider", "disable", "openai"});
    REQUIRE(terminal.shows("Go on?"));
    terminal.type(k_ctrl_c);
    CHECK(terminal.exit_code() == 130);
    INFO(terminal.seen);
    CHECK(desk.overrides().empty());
    CHECK(desk.newest() != "unfinished");
}

TEST_CASE("Ctrl-C while the effect is looked for leaves the change: 10, and resume finishes it")
{
    Desk desk;
    // One second without a new request has to be seen, which leaves the time.
    Terminal terminal(desk.home.path(), {"provider", "disable", "openai", "--yes"});
    REQUIRE(terminal.shows("written"));
    terminal.type(k_ctrl_c);
    CHECK(terminal.exit_code() == 10);
    INFO(terminal.seen);
    CHECK(terminal.seen.find("conduitctl resume") != std::string::npos);
    CHECK(desk.overrides().size() == 1);
    CHECK(desk.newest() == "partial");
    Terminal resume(desk.home.path(), {"resume", desk.operation, "--yes"});
    CHECK(resume.exit_code() == 0);
    CHECK(desk.newest() == "ok");
}

TEST_CASE("Ctrl-C while a write is under way waits for its answer; a second one ends at once with 10")
{
    Desk desk;
    desk.proxy.hold = true;
    Terminal terminal(desk.home.path(), {"provider", "disable", "openai", "--yes"});
    REQUIRE(eventually([&] { return desk.proxy.held == 1; }));
    terminal.type(k_ctrl_c);
    CHECK_FALSE(terminal.shows("error", std::chrono::milliseconds(300)));
    terminal.type(k_ctrl_c);
    CHECK(terminal.exit_code() == 10);
    INFO(terminal.seen);
    CHECK(terminal.seen.find("conduitctl history pending") != std::string::npos);
    CHECK(desk.newest() == "unfinished");
    desk.proxy.hold = false;
    Terminal resume(desk.home.path(), {"resume", desk.operation, "--yes"});
    CHECK(resume.exit_code() == 0);
    CHECK(desk.overrides().size() == 1);
}
