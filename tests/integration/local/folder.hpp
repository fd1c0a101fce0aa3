// SPDX-License-Identifier: Apache-2.0
// A local folder whose agents and simulator are fakes; it is taken down at the end.
#pragma once

#include "cli/orchestrator/local/client.hpp"
#include "cli/orchestrator/local/local.hpp"
#include "core/process.hpp"

#include <map>
#include <optional>
#include <string>
#include <sys/wait.h>
#include <thread>

namespace conduit::test {

template <class Condition> bool eventually(Condition condition, Duration limit = 10s)
{
    const Deadline deadline(limit);
    while (!condition()) {
        if (deadline.passed())
            return false;
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

// A folder with fakes in it; taken down at the end.
struct Folder {
    TempDir temp = TempDir::make("conduit-local").value();
    fs::path dir = temp.path() / "conduit";
    local::Layout layout{dir};

    ~Folder()
    {
        (void)local::local_down({.dir = dir});
        while (::waitpid(-1, nullptr, WNOHANG) > 0) {
        }
    }
    local::UpOptions options(std::optional<int> replicas = 2) const
    {
        local::UpOptions up;
        up.dir = dir;
        up.replicas = replicas;
        up.port = std::uint16_t{0};
        up.supervisor_argv = {FAKE_PROGRAM, "supervise", dir.string()};
        return up;
    }
    Json up(std::optional<int> replicas = 2) const; // throws when it is not up
    Json status() const;
    Result<Json> ask(const Json& request, Duration limit = 20s) const;
    std::map<std::string, pid_t> pids() const;
};

std::uint16_t port_of(const Json& url);
std::string get(std::uint16_t port); // "" when the connection failed or was cut

} // namespace conduit::test
