// SPDX-License-Identifier: Apache-2.0
// Instances whose commands are processes of this machine, in a folder, and whose ports are ports of it.
#pragma once

#include "cli/orchestrator/streams.hpp"

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace conduit::test {

inline constexpr std::uint16_t k_idle_port = 9;

class FakeStreams final : public InstanceStreams {
  public:
    Result<StreamPlace> place(std::string_view name, std::string_view container, Deadline deadline) override;
    Result<RemoteEnd> exec(const ExecRequest& request, const RemoteIo& io, const Cancel& cancel,
                           Deadline deadline) override;
    Result<std::unique_ptr<PortStream>> open_port(const std::string& instance, std::uint16_t port,
                                                  UniqueFd local, const Cancel& cancel,
                                                  Deadline deadline) override;

    fs::path folder = "."; // where commands run
    std::map<std::string, std::set<std::string>> ready{{"agent", {"agent-1", "agent-2"}}}; // by workload
    std::set<std::string> containers{"main", "side"};
    std::map<std::string, Error> faults; // "place", "exec", "open_port" or "*"
    std::function<void(const ExecRequest&)> before_exec;
    std::optional<int> ends_with; // every command, without being run
    std::vector<ExecRequest> requests;
    std::vector<std::string> opened; // instances, of open_port
    std::mutex mutex;                // over all of these, for those who change them meanwhile

  private:
    Result<> enter(const std::string& call);
};

} // namespace conduit::test
