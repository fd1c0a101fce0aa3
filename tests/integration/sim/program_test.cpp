// SPDX-License-Identifier: Apache-2.0
// The program itself: ready file, inherited sockets, signals, bad options.
#include "core/fs.hpp"
#include "core/http.hpp"
#include "core/json.hpp"
#include "core/process.hpp"
#include "sim/server/listener.hpp"
#include "tests/support/catch.hpp"

#include <csignal>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <sys/wait.h>

using namespace conduit;

namespace {

class Program {
  public:
    Program(const fs::path& folder, std::vector<std::string> arguments,
            std::map<std::string, std::string> env = {}, std::vector<int> fds = {})
    {
        const auto ready = folder / "ready.json";
        arguments.insert(arguments.begin(), CONDUIT_SIM_PROGRAM);
        arguments.insert(arguments.end(), {"--ready-file", ready.string()});
        const auto pid = spawn_process(
            {.argv = arguments, .env = std::move(env), .pass_fds = std::move(fds), .die_with_parent = true});
        REQUIRE(pid);
        pid_ = *pid;
        const Deadline deadline{20s};
        while (!fs::exists(ready) && !deadline.passed())
            sched_yield();
        facts_ = *parse_json(*read_file(ready));
    }
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;
    ~Program()
    {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }
    const Json& facts() const { return facts_; }
    std::string url(const std::string& name) const { return facts_["providers"][name].get<std::string>(); }
    std::string control() const { return facts_["control"].get<std::string>(); }
    int terminate()
    {
        int status = -1;
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, &status, 0);
        pid_ = 0;
        return status;
    }

  private:
    pid_t pid_ = 0;
    Json facts_;
};

int status_of(const std::string& url, HeaderList headers = {}, std::string method = "GET",
              std::string body = {})
{
    const auto client = make_curl_client();
    const auto response = client->send(
        {.method = std::move(method), .url = url, .headers = std::move(headers), .body = std::move(body)},
        Deadline{10s});
    return response ? response->status : -static_cast<int>(response.error().kind);
}

} // namespace

TEST_CASE("conduit-sim says where it listens, takes credentials from a file and ends at SIGTERM")
{
    const auto folder = TempDir::make();
    REQUIRE(folder);
    const auto credentials = folder->path() / "credentials.json";
    REQUIRE(write_file(credentials, R"({"openai":["planted-key"],"spare":["spare-key"]})"));
    Program program{folder->path(),
                    {"--provider", "openai=127.0.0.1:0", "--provider", "spare:openai=127.0.0.1:0",
                     "--credentials", credentials.string()}};
    CHECK(program.facts()["providers"].size() == 2);
    CHECK(status_of(program.url("openai") + "/v1/models", {{"Authorization", "Bearer planted-key"}}) == 200);
    CHECK(status_of(program.url("spare") + "/v1/models", {{"Authorization", "Bearer spare-key"}}) == 200);
    CHECK(status_of(program.url("spare") + "/v1/models", {{"Authorization", "Bearer planted-key"}}) == 401);
    CHECK(status_of(program.control() + "/health") == 200);
    CHECK(program.terminate() == 0);
}

TEST_CASE("conduit-sim reads a configuration file")
{
    const auto folder = TempDir::make();
    REQUIRE(folder);
    const auto config = folder->path() / "sim.yaml";
    REQUIRE(write_file(config,
                       "providers:\n  - {name: openai, listen: '127.0.0.1:0'}\n  - {name: b, kind: google}\n"
                       "threads: 2\ncontrol: '127.0.0.1:0'\n"));
    Program program{folder->path(), {"--config", config.string()}};
    CHECK(status_of(program.url("b") + "/v1/voices?key=AIzaSimGoogleTestKey") == 200);
}

TEST_CASE("Inherited sockets are served, refuse while the provider is down, and work again after it")
{
    const auto folder = TempDir::make();
    REQUIRE(folder);
    auto openai = sim::ListenSocket::open({});
    auto control = sim::ListenSocket::open({});
    REQUIRE(openai);
    REQUIRE(control);
    Program program{folder->path(),
                    {},
                    {{"LISTEN_FDS", "2"}, {"CONDUIT_SIM_FDS", "openai,control"}},
                    {openai->fd(), control->fd()}};
    CHECK(program.facts()["providers"].size() == 1);
    CHECK(program.url("openai") == openai->url());
    CHECK(program.control() == control->url());
    const auto probe = openai->url() + "/v1/models";
    const auto fault = control->url() + "/providers/openai/fault";
    CHECK(status_of(probe) == 401);
    // This process keeps its copies of the sockets, as a supervisor does.
    CHECK(status_of(fault, {}, "PATCH", R"({"down":true})") == 200);
    CHECK(status_of(probe) == -to_exit(ErrorKind::unreachable));
    CHECK(status_of(fault, {}, "DELETE") == 200);
    CHECK(status_of(probe) == 401);
}

TEST_CASE("conduit-sim explains bad options and files with exit code 2")
{
    const auto run = [](std::vector<std::string> arguments, std::map<std::string, std::string> env = {}) {
        arguments.insert(arguments.begin(), CONDUIT_SIM_PROGRAM);
        auto result = run_process({.argv = arguments, .env = std::move(env)}, Deadline{20s});
        REQUIRE(result);
        return *result;
    };
    CHECK(run({"--nothing"}).exit_code == 2);
    CHECK(run({"--provider", "azure=127.0.0.1:0"}).exit_code == 2);
    CHECK(run({"--provider", "openai=nowhere:0"}).exit_code == 2);
    CHECK(run({"--provider", "openai", "--provider", "openai"}).exit_code == 2);
    CHECK(run({"--config", "/nonexistent.yaml"}).exit_code == 4);
    CHECK(run({}, {{"LISTEN_FDS", "1"}, {"CONDUIT_SIM_FDS", "openai,google"}}).exit_code == 2);
    CHECK(run({}, {{"LISTEN_FDS", "1"}, {"CONDUIT_SIM_FDS", "openai"}}).exit_code == 2);
    const auto help = run({"--help"});
    CHECK(help.exit_code == 0);
    CHECK(help.out.contains("sk-sim-openai-test-key"));
    CHECK(run({"--version"}).out.starts_with("conduit-sim "));
}
