// SPDX-License-Identifier: Apache-2.0
#include "core/fs.hpp"
#include "sim/options.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <signal.h>

namespace {

int report(const conduit::Error& error)
{
    fmt::print(stderr, "conduit-sim: {}\n", error.message);
    if (!error.hint.empty())
        fmt::print(stderr, "{}\n", error.hint);
    return conduit::to_exit(error.kind);
}

std::optional<std::string> get_env(const char* name)
{
    const char* value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

} // namespace

int main(int argc, char** argv)
{
    auto command = conduit::sim::parse_sim_command({argv + 1, argv + argc}, get_env);
    if (!command)
        return report(command.error());
    if (!command->text.empty()) {
        fmt::print("{}", command->text);
        return 0;
    }
    // Blocked before any thread starts, so that only sigwait below sees them.
    sigset_t ends{};
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    const auto server = conduit::sim::SimServer::start(std::move(command->options));
    if (!server)
        return report(server.error());
    const auto ready = (*server)->ready_json() + "\n";
    if (command->ready_file.empty()) {
        fmt::print("{}", ready);
        std::fflush(stdout);
    } else if (const auto written = conduit::write_file(command->ready_file, ready, 0644); !written) {
        return report(written.error());
    }
    int signal_number = 0;
    sigwait(&ends, &signal_number);
    return 0;
}
