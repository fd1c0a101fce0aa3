// SPDX-License-Identifier: Apache-2.0
// conduitctl itself with pods of the cluster of CONDUIT_TEST_KUBECONFIG.
#include "core/text.hpp"
#include "tests/contract/streams_world.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/socket_client.hpp"

#include <array>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <pty.h>
#include <sys/wait.h>

using namespace conduit;
using namespace conduit::test;

namespace {

struct Desk {
    explicit Desk(const StreamsWorld& world, const std::string& kubeconfig = {})
    {
        REQUIRE(make_dirs(home.path() / "config/conduitctl"));
        REQUIRE(
            write_file(home.path() / "config/conduitctl/config.yaml",
                       fmt::format("current-context: test\ncontexts:\n  test:\n    orchestrator: kubernetes\n"
                                   "    kubernetes: {{kubeconfig: {}, namespace: {}}}\n",
                                   kubeconfig.empty() ? world.kubeconfig : kubeconfig, world.space)));
    }
    std::map<std::string, std::string> env() const
    {
        const auto at = [&](const char* name) { return (home.path() / name).string(); };
        return {{"HOME", home.path().string()},  {"XDG_CONFIG_HOME", at("config")},
                {"XDG_STATE_HOME", at("state")}, {"XDG_CACHE_HOME", at("cache")},
                {"XDG_DATA_HOME", at("data")},   {"CONDUIT_OPERATOR", "maria"}};
    }
    static std::vector<std::string> argv(const std::vector<std::string>& words)
    {
        std::vector<std::string> all{CONDUIT_BIN_DIR "/conduitctl"};
        all.insert(all.end(), words.begin(), words.end());
        return all;
    }
    ProcessResult run(const std::vector<std::string>& words, const std::string& input = {}) const
    {
        return run_process({.argv = argv(words), .env = env(), .stdin_bytes = input, .cwd = home.path()},
                           Deadline(90s))
            .value();
    }
    TempDir home = TempDir::make("conduit-desk").value();
};

// The program with a terminal of its own.
class OnTerminal {
  public:
    OnTerminal(const Desk& desk, const std::vector<std::string>& words)
    {
        auto all = Desk::argv(words);
        std::vector<char*> pointers;
        for (auto& word : all)
            pointers.push_back(word.data());
        pointers.push_back(nullptr);
        const auto env = desk.env();
        winsize size{.ws_row = 31, .ws_col = 97, .ws_xpixel = 0, .ws_ypixel = 0};
        pid_ = ::forkpty(&master_, nullptr, nullptr, &size);
        if (pid_ == 0) {
            for (const auto& [name, value] : env)
                ::setenv(name.c_str(), value.c_str(), 1);
            ::execv(pointers[0], pointers.data());
            ::_exit(99);
        }
    }
    OnTerminal(const OnTerminal&) = delete;
    ~OnTerminal()
    {
        if (pid_ > 0)
            ::kill(pid_, SIGKILL);
        ::close(master_);
    }
    void type(std::string_view text) const
    {
        REQUIRE(::write(master_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
    bool shows(const std::string& text)
    {
        return eventually(
            [&] {
                read_some();
                return seen.contains(text);
            },
            30s);
    }
    int exit_code()
    {
        int status = 0;
        if (!eventually(
                [&] {
                    read_some();
                    return ::waitpid(pid_, &status, WNOHANG) == pid_;
                },
                30s))
            return -1;
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
            const auto got = ::read(master_, buffer.data(), buffer.size());
            if (got <= 0)
                return;
            seen.append(buffer.data(), static_cast<std::size_t>(got));
        }
    }
    pid_t pid_ = 0;
    int master_ = -1;
};

} // namespace

TEST_CASE("conduitctl exec hands on, tells the command's own code, and keeps a record but no lock")
{
    CONDUIT_NEEDS_CLUSTER;
    const Desk desk(w);
    const auto plain = desk.run({"exec", "box", "--", "sh", "-c", "printf out; printf err >&2"});
    INFO(plain.err);
    CHECK(plain.exit_code == 0);
    CHECK(plain.out == "out");
    CHECK(plain.err == "err");
    const auto failed = desk.run({"exec", "box", "-c", "side", "-o", "json", "--", "sh", "-c", "exit 7"});
    CHECK(failed.exit_code == 1);
    const auto document = parse_json(failed.out).value();
    CHECK(document["remote_code"] == 7);
    CHECK(document["container"] == "side");
    const auto id = document["operation"].get<std::string>();
    const auto shown = desk.run({"history", "show", id, "-o", "json"});
    CHECK(shown.exit_code == 0);
    CHECK(shown.out.contains("maria"));
    CHECK(shown.out.contains("exit 7"));
    CHECK(desk.run({"exec", "-i", "box", "--", "sh", "-c", "sha256sum"}, std::string(1'000'000, 'x')).out ==
          sha256_hex(std::string(1'000'000, 'x')) + "  -\n");
    CHECK(desk.run({"exec", "bxo", "--", "true"}).exit_code == 4);
    CHECK(desk.run({"exec", "box", "-c", "nope", "--", "true"}).exit_code == 4);
    if (const auto leases = w.kubectl({"get", "leases", "-o", "name"}))
        CHECK(leases->out.empty());
}

TEST_CASE("conduitctl exec -it is a terminal there, of the size of the one here")
{
    CONDUIT_NEEDS_CLUSTER;
    const Desk desk(w);
    OnTerminal terminal(desk, {"exec", "-it", "box", "--", "sh"});
    REQUIRE(terminal.shows("#"));
    terminal.type("tty; stty size; echo a-$((20+3))-b\r");
    CHECK(terminal.shows("/dev/pts/"));
    CHECK(terminal.shows("31 97"));
    CHECK(terminal.shows("a-23-b"));
    terminal.type("echo begun-$((1+1)); sleep 100\r");
    REQUIRE(terminal.shows("begun-2"));
    terminal.type("\x03"); // is the command's, not ours
    terminal.type("echo c-$((40+2))-d\r");
    CHECK(terminal.shows("c-42-d"));
    terminal.type("exit 5\r");
    CHECK(terminal.exit_code() == 1);
    CHECK(terminal.seen.contains("ended with 5"));
}

TEST_CASE("conduitctl exec names the verb and the resource that are missing")
{
    CONDUIT_NEEDS_CLUSTER;
    Desk probe(w);
    auto text = read_file(w.kubeconfig).value();
    const auto user = text.find("    client-certificate");
    if (user == std::string::npos)
        return; // a kubeconfig of another make: the API's test says it too
    text.insert(user, "    as: k1-nobody\n");
    REQUIRE(write_file(probe.home.path() / "kubeconfig", text));
    const Desk desk(w, (probe.home.path() / "kubeconfig").string());
    const auto ran = desk.run({"exec", "box", "--", "true"});
    INFO(ran.err);
    CHECK(ran.exit_code == 5);
    CHECK(ran.err.contains("cannot get resource \"pods\""));
}

TEST_CASE("conduitctl cp goes both ways")
{
    CONDUIT_NEEDS_CLUSTER;
    const Desk desk(w);
    const auto text = random_token(1'000'000);
    REQUIRE(write_file(desk.home.path() / "a", text));
    const auto in = desk.run({"cp", "a", "box:/t/", "-o", "json"});
    INFO(in.err);
    REQUIRE(in.exit_code == 0);
    CHECK(parse_json(in.out).value()["to"] == "/t/a");
    CHECK(parse_json(in.out).value()["verified"] == true);
    const auto out = desk.run({"cp", "box:/t/a", "b"});
    INFO(out.err);
    CHECK(out.exit_code == 0);
    CHECK(out.out.contains(sha256_hex(text)));
    CHECK(read_file(desk.home.path() / "b").value() == text);
    CHECK(desk.run({"cp", "box:/t/none", "c"}).exit_code == 4);
}

TEST_CASE("conduitctl forward serves until it is interrupted, and refuses a dead port")
{
    CONDUIT_NEEDS_CLUSTER;
    const Desk desk(w);
    const auto dead = desk.run({"forward", "box", "0:9999"});
    INFO(dead.err);
    CHECK(dead.exit_code == 6);
    OnTerminal running(desk, {"forward", "box", "0:9000", "-o", "json"});
    REQUIRE(running.shows("}"));
    const auto at = running.seen.find("127.0.0.1:");
    REQUIRE(at != std::string::npos);
    const auto port = static_cast<std::uint16_t>(std::stoi(running.seen.substr(at + 10)));
    CHECK(echoed(connect_to(port), "hello") == "hello");
    running.type("\x03");
    CHECK(running.exit_code() == 0);
}
