// SPDX-License-Identifier: Apache-2.0
// Stands in for conduit-agent, conduit-sim and `conduitctl local supervise`: the ready-file protocol,
// accepting on the passed sockets, draining on SIGTERM. What it does wrong is asked for by files in the
// folder of its ready file: "NAME.die" ends it at start, "NAME.hang" keeps it from ever being ready.
#include "cli/orchestrator/local/client.hpp"
#include "cli/orchestrator/local/supervisor.hpp"
#include "core/json.hpp"
#include "core/process.hpp"
#include "core/text.hpp"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

volatile std::sig_atomic_t stopping = 0;

std::string argument(const std::vector<std::string>& args, std::string_view name)
{
    for (std::size_t i = 0; i + 1 < args.size(); ++i)
        if (args[i] == name)
            return args[i + 1];
    return {};
}

void serve(int client, const std::string& name)
{
    char buffer[4096];
    if (::recv(client, buffer, sizeof buffer, 0) > 0) {
        const auto answer = fmt::format(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", name.size(), name);
        [[maybe_unused]] const auto n = ::send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
    }
    ::close(client);
}

int run_child(const std::vector<std::string>& args)
{
    const conduit::fs::path ready = argument(args, "--ready-file");
    const auto name = ready.stem().string();
    const auto asked = [&](const char* what) {
        return conduit::fs::exists(ready.parent_path() / (name + what));
    };
    struct sigaction action{};
    action.sa_handler = [](int) { stopping = 1; };
    action.sa_flags = SA_RESTART; // a request that is being read is answered all the same
    ::sigaction(SIGTERM, &action, nullptr);
    fmt::print("{} begins\n", name);
    std::fflush(stdout);
    if (asked(".die")) {
        fmt::print("{} cannot go on\n", name);
        return 7;
    }
    const int count = std::atoi(std::getenv("LISTEN_FDS"));
    std::vector<pollfd> polls;
    for (int fd = 3; fd < 3 + count; ++fd) {
        ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
        polls.push_back({fd, POLLIN, 0});
    }
    if (!asked(".hang") && !conduit::write_file(ready, fmt::format("{{\"pid\":{}}}\n", ::getpid())))
        return 1;
    while (stopping == 0) {
        if (::poll(polls.data(), polls.size(), 50) <= 0)
            continue;
        for (const auto& entry : polls)
            if ((entry.revents & POLLIN) != 0)
                if (const int client = ::accept(entry.fd, nullptr, nullptr); client >= 0)
                    serve(client, name);
    }
    fmt::print("{} ends\n", name);
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    const std::vector<std::string> args(argv, argv + argc);
    if (argc >= 3 && args[1] == "supervise") {
        conduit::local::SupervisorOptions options;
        options.dir = args[2];
        options.agent_program = options.sim_program = args[0];
        if (const char* real = std::getenv("CONDUIT_SIM_PROGRAM"))
            options.sim_program = real;
        options.backoff.first = conduit::Duration(20);
        options.backoff.longest = conduit::Duration(200);
        options.backoff.good_life = conduit::Duration(2'000);
        options.drain = conduit::Duration(5'000);
        options.start_patience = conduit::Duration(2'000);
        // Like a reversal: asks the supervisor it runs in.
        const conduit::local::Layout layout{options.dir};
        options.every_second = [layout](conduit::WallTime) {
            if (!conduit::fs::exists(layout.run() / "scale-to-one"))
                return;
            const auto request = conduit::parse_json(R"({"cmd": "scale", "replicas": 1})");
            if (conduit::local::ask_supervisor(layout, *request, conduit::Deadline(std::chrono::seconds(5))))
                (void)conduit::remove_file(layout.run() / "scale-to-one");
            (void)conduit::spawn_process({.argv = {"true"}}).has_value(); // nobody waits for it
        };
        return conduit::local::run_supervisor(options);
    }
    return run_child(args);
}
