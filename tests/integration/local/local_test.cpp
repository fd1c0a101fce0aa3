// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/orphans.hpp"
#include "cli/orchestrator/local/sockets.hpp"
#include "tests/integration/local/folder.hpp"
#include "tests/support/catch.hpp"

#include <atomic>
#include <csignal>
#include <fmt/format.h>
#include <future>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <vector>

using namespace conduit;
using namespace conduit::local;
using namespace conduit::test;

TEST_CASE("up makes a private folder, starts what is wanted and says where everything is")
{
    const Folder folder;
    const auto status = folder.up(2);
    CHECK(status["running"] == true);
    CHECK(status["replicas"] == Json{{"wanted", 2}, {"ready", 2}});
    CHECK(status["admin_urls"].size() == 2);
    CHECK(status["instances"].size() == 3);
    CHECK(get(port_of(status["router_url"])).starts_with("agent-"));
    CHECK(get(port_of(status["admin_urls"][0])) == "agent-1");
    CHECK(get(port_of(status["admin_urls"][1])) == "agent-2");
    for (const auto* name : {"openai", "google", "aws"})
        CHECK(get(port_of(status["sim_urls"][name])) == "sim");
    CHECK(get(port_of(status["sim_control_url"])) == "sim");

    for (const auto& entry : fs::recursive_directory_iterator(folder.dir)) {
        struct stat info{};
        REQUIRE(::lstat(entry.path().c_str(), &info) == 0);
        INFO(entry.path().string());
        CHECK((info.st_mode & 077U) == 0);
    }
    const auto token = read_file(status["operator_token_file"].get<std::string>()).value();
    const auto config = read_file(folder.layout.agent_yaml()).value();
    CHECK(token.size() > 32);
    CHECK(config.find("weight: 70") != std::string::npos);
    CHECK(config.find(status["sim_urls"]["google"].get<std::string>()) != std::string::npos);
    for (const auto& entry : fs::directory_iterator(folder.layout.config()))
        CHECK(read_file(entry.path()).value().find(token.substr(0, 32)) == std::string::npos);
}

TEST_CASE("a second up changes nothing, and other wishes are refused or carried out")
{
    const Folder folder;
    const auto first = folder.up(1);
    const auto again = local_up(folder.options(1));
    REQUIRE(again);
    CHECK_FALSE(again->changed);
    CHECK((*again->status)["supervisor_pid"] == first["supervisor_pid"]);
    auto more = folder.options(3);
    const auto grown = local_up(more);
    REQUIRE(grown);
    CHECK(grown->changed);
    CHECK((*grown->status)["replicas"]["ready"] == 3);
    more.sim = false;
    CHECK(local_up(more).error().kind == ErrorKind::refused);
}

TEST_CASE("two ups at once start one supervisor")
{
    const Folder folder;
    auto other = std::async(std::launch::async, [&] { return local_up(folder.options(2)); });
    const auto mine = local_up(folder.options(2));
    const auto theirs = other.get();
    REQUIRE(mine);
    REQUIRE(theirs);
    CHECK(mine->changed != theirs->changed);
    CHECK((*mine->status)["supervisor_pid"] == (*theirs->status)["supervisor_pid"]);
}

TEST_CASE("down leaves no process and no socket, purge leaves no file")
{
    const Folder folder;
    const auto status = folder.up(2);
    const auto pids = folder.pids();
    REQUIRE(pids.size() == 3);
    const auto down = local_down({.dir = folder.dir});
    REQUIRE(down);
    CHECK(down->changed);
    for (const auto& [name, pid] : pids)
        CHECK_FALSE(process_alive(pid));
    CHECK(get(port_of(status["router_url"])).empty());
    CHECK_FALSE(fs::exists(folder.layout.socket()));
    CHECK(folder.status()["running"] == false);
    CHECK_FALSE(local_down({.dir = folder.dir})->changed);
    // What was chosen is kept for the next time.
    CHECK(folder.up({})["router_url"] == status["router_url"]);
    REQUIRE(local_down({.dir = folder.dir, .purge = true}));
    CHECK_FALSE(fs::exists(folder.dir));
}

TEST_CASE("a replica that is killed is started again, and nobody's connection is refused meanwhile")
{
    const Folder folder;
    const auto port = port_of(folder.up(1)["router_url"]);
    const auto before = folder.pids()["agent-1"];
    REQUIRE(::kill(before, SIGKILL) == 0);
    CHECK(get(port) == "agent-1");
    REQUIRE(eventually([&] { return folder.status()["replicas"]["ready"] == 1; }));
    const auto instance = folder.status()["instances"][0];
    CHECK(instance["pid"] != before);
    CHECK(instance["restarts"] == 1);
    CHECK(instance["last_exit"]["code"] == 137);
}

TEST_CASE("one that always ends is a crash loop, and up says so with its last words")
{
    const Folder folder;
    REQUIRE(prepare_folders(folder.layout));
    REQUIRE(write_file(folder.layout.run() / "agent-1.die", ""));
    const auto up = local_up(folder.options(1));
    REQUIRE_FALSE(up);
    CHECK(up.error().kind == ErrorKind::failed);
    CHECK(up.error().message == "agent-1 is not ready: crash-loop");
    CHECK(up.error().cause.find("agent-1 cannot go on") != std::string::npos);
    REQUIRE(remove_file(folder.layout.run() / "agent-1.die"));
    CHECK(eventually([&] { return folder.status()["replicas"]["ready"] == 1; }));
}

TEST_CASE("scaling up and down reaches the number, and a wrong expectation is stale")
{
    const Folder folder;
    folder.up(1);
    const auto grown = folder.ask({{"cmd", "scale"}, {"replicas", 4}, {"expected", 1}, {"key", "op/1"}});
    REQUIRE(grown);
    CHECK((*grown)["changed"] == true);
    CHECK(folder.status()["replicas"] == Json{{"wanted", 4}, {"ready", 4}});
    CHECK(folder.ask({{"cmd", "scale"}, {"replicas", 5}, {"expected", 1}}).error().kind == ErrorKind::stale);
    CHECK(folder.ask({{"cmd", "scale"}, {"replicas", 4}, {"expected", 1}, {"key", "op/1"}}));
    CHECK(folder.ask({{"cmd", "find"}, {"key", "op/1"}}).value()["found"] == true);
    CHECK(folder.ask({{"cmd", "find"}, {"key", "op/2"}}).value()["found"] == false);
    REQUIRE(folder.ask({{"cmd", "scale"}, {"replicas", 2}}));
    const auto pids = folder.pids();
    CHECK(pids.size() == 3);
    CHECK(pids.contains("agent-1"));
    CHECK(pids.contains("agent-2"));
}

TEST_CASE("a rolling restart under connections loses none of them")
{
    const Folder folder;
    const auto port = port_of(folder.up(2)["router_url"]);
    const auto before = folder.pids();
    std::atomic<bool> stop{false};
    std::atomic<int> good{0}, lost{0};
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i)
        clients.emplace_back([&] {
            while (!stop)
                ++(get(port).empty() ? lost : good);
        });
    const auto restarted = folder.ask({{"cmd", "restart"}, {"workload", "agent"}, {"key", "r/1"}});
    stop = true;
    for (auto& client : clients)
        client.join();
    REQUIRE(restarted);
    CHECK((*restarted)["ended"] == Json::array({"agent-1", "agent-2"}));
    CHECK(lost == 0);
    CHECK(good > 10);
    const auto after = folder.pids();
    CHECK(after.size() == 3);
    for (const auto& [name, pid] : before)
        if (name != "sim")
            CHECK_FALSE(process_alive(pid));
    CHECK(after.at("sim") == before.at("sim"));
    // The same key again restarts nothing.
    CHECK(folder.ask({{"cmd", "restart"}, {"workload", "agent"}, {"key", "r/1"}}).value() == *restarted);
    CHECK(folder.pids() == after);
}

TEST_CASE("a restart whose replacement is never ready keeps the old one")
{
    const Folder folder;
    folder.up(1);
    const auto before = folder.pids();
    REQUIRE(write_file(folder.layout.run() / "agent-2.hang", ""));
    const auto restarted = folder.ask({{"cmd", "restart"}, {"instances", {"agent-1"}}});
    REQUIRE_FALSE(restarted);
    CHECK(restarted.error().kind == ErrorKind::failed);
    CHECK(restarted.error().message == "agent-2 did not become ready; agent-1 was kept");
    CHECK(eventually([&] { return folder.pids() == before; }));
}

TEST_CASE("the simulator can be restarted on its own")
{
    const Folder folder;
    const auto status = folder.up(1);
    const auto before = folder.pids();
    REQUIRE(folder.ask({{"cmd", "restart"}, {"workload", "sim"}}));
    CHECK(folder.pids().at("sim") != before.at("sim"));
    CHECK(folder.pids().at("agent-1") == before.at("agent-1"));
    CHECK(get(port_of(status["sim_urls"]["aws"])) == "sim");
}

TEST_CASE("the orphans of a supervisor killed with -9 are ended by the next up, and by down")
{
    const Folder folder;
    const auto first = folder.up(2);
    const auto orphans = folder.pids();
    const auto kill_supervisor = [](const Json& status) {
        const auto pid = status["supervisor_pid"].get<pid_t>();
        REQUIRE(::kill(pid, SIGKILL) == 0);
        ::waitpid(pid, nullptr, 0);
    };
    kill_supervisor(first);
    CHECK(find_orphans(folder.layout).size() == 3);
    CHECK(get(port_of(first["router_url"])).starts_with("agent-")); // they go on serving
    const auto second = folder.up({});
    CHECK(second["router_url"] == first["router_url"]);
    for (const auto& [name, pid] : orphans)
        CHECK_FALSE(process_alive(pid));
    const auto next = folder.pids();
    CHECK(next.size() == 3);
    kill_supervisor(second);
    const auto down = local_down({.dir = folder.dir});
    REQUIRE(down);
    CHECK(down->changed);
    for (const auto& [name, pid] : next)
        CHECK_FALSE(process_alive(pid));
}

TEST_CASE("hostile bytes on the socket get an error or nothing, and the supervisor lives on")
{
    const Folder folder;
    folder.up(1);
    const auto say = [&](const std::string& bytes) {
        const auto fd = connect_unix(folder.layout.socket());
        REQUIRE(fd);
        timeval limit{5, 0};
        ::setsockopt(fd->get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        (void)::send(fd->get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        char buffer[2048];
        const auto n = ::recv(fd->get(), buffer, sizeof buffer, 0);
        return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : std::string();
    };
    for (const auto& bytes :
         {std::string("garbage\n"), std::string("[1,2]\n"), std::string("{\"cmd\":7}\n"), std::string("{}\n"),
          std::string("{\"cmd\":\"scael\"}\n"), std::string("{\"cmd\":\"scale\",\"replicas\":-1}\n"),
          std::string("{\"cmd\":\"scale\",\"replicas\":1e9}\n"),
          std::string("{\"cmd\":\"scale\",\"replicas\":\"2\"}\n"),
          std::string("{\"cmd\":\"restart\",\"instances\":[{}]}\n"), std::string(100, '[') + "\n",
          std::string("\0\xff\xfe\n", 4),
          std::string("{\"cmd\":\"restart\",\"workload\":\"\\u001b[2J\"}\n")}) {
        INFO(bytes);
        const auto answer = say(bytes);
        CHECK(answer.find("\"error\"") != std::string::npos);
        CHECK(answer.find('\x1b') == std::string::npos);
    }
    CHECK(say("{\"cmd\":\"scael\"}\n").find("did you mean scale?") != std::string::npos);
    CHECK(say(std::string(200'000, 'x')).find("longer than") != std::string::npos);
    std::vector<UniqueFd> crowd;
    for (int i = 0; i < 40; ++i)
        if (auto fd = connect_unix(folder.layout.socket()))
            crowd.push_back(*std::move(fd));
    crowd.clear();
    CHECK(eventually([&] { return folder.ask({{"cmd", "status"}}).has_value(); }));
}

TEST_CASE("a port that is taken is a clear error at once")
{
    const Folder folder;
    const auto other = listen_loopback(0).value();
    auto options = folder.options(1);
    options.port = other.port;
    const auto up = local_up(options);
    REQUIRE_FALSE(up);
    CHECK(up.error().message.find(fmt::format("cannot listen on 127.0.0.1:{}", other.port)) !=
          std::string::npos);
    CHECK(up.error().hint.find("--port") != std::string::npos);
}

TEST_CASE("a folder with other things in it is refused and left alone")
{
    const Folder folder;
    REQUIRE(make_dirs(folder.dir, 0755));
    REQUIRE(write_file(folder.dir / "thesis.tex", "mine"));
    CHECK(local_up(folder.options(1)).error().kind == ErrorKind::refused);
    CHECK_FALSE(local_down({.dir = folder.dir, .purge = true})->changed);
    CHECK(fs::exists(folder.dir / "thesis.tex"));
}
