// SPDX-License-Identifier: Apache-2.0
// An orchestrator whose workloads are numbers in memory, or in a file that several processes share.
#pragma once

#include "cli/orchestrator/orchestrator.hpp"
#include "core/fs.hpp"
#include "core/json.hpp"

#include <functional>
#include <map>
#include <string>

namespace conduit::test {

class FakeOrchestrator final : public Orchestrator {
  public:
    FakeOrchestrator() = default;
    void keep_in(fs::path file);

    std::string kind() const override { return "local"; }
    Result<std::string> identity(Deadline) override { return std::string("fake-local"); }
    Result<std::vector<Workload>> workloads(Deadline deadline) override;
    Result<std::vector<Instance>> instances(std::string_view workload, Deadline deadline) override;
    Result<OrchestratorChange> scale(const ScaleRequest& request, const ChangeProgress& progress,
                                     Deadline deadline) override;
    Result<OrchestratorChange> restart(const RestartRequest& request, const ChangeProgress& progress,
                                       Deadline deadline) override;
    Result<std::optional<OrchestratorChange>> find_change(std::string_view key, Deadline deadline) override;
    Result<> logs(const LogQuery& query, const LogSink& sink, const Cancel& cancel,
                  Deadline deadline) override;
    Result<std::vector<Usage>> top(std::string_view workload, Duration between, Deadline deadline) override;
    Result<std::vector<OrchestratorEvent>> events(Deadline deadline) override;

    int wanted = 2;
    std::optional<int> remembered;
    int unready = 0;                    // so many are up and not ready yet
    int restarts = 0;                   // carried out
    int most_alive = 50;                // an instance with a higher number does not stay alive
    std::optional<WallTime> started_at; // of each instance
    std::string restart_error;
    const Cancel* cancel = nullptr;                           // cuts off what only reads, as in the real one
    std::map<std::string, Error> faults;                      // "workloads", "scale", ... -> its answer
    std::function<void(const std::string& call)> before_call; // somebody else, in just that moment
    std::function<void(const std::string& call)> after_call;

  private:
    Result<> enter(const std::string& call);
    template <class Request>
    OrchestratorChange carry_out(const Request& request, const std::function<OrchestratorChange()>& change);
    Result<> check_instances(const std::vector<std::string>& names) const;
    std::string ref_of(const std::string& instance) const;
    void load();
    void save() const;
    std::map<std::string, OrchestratorChange> done_; // by key
    std::map<std::string, int> generations_;         // by instance: how often it was replaced
    fs::path file_;
};

} // namespace conduit::test
