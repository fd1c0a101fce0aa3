// SPDX-License-Identifier: Apache-2.0
// The releases of one workload "agent" as settings in memory, or in a file that several processes share.
#pragma once

#include "cli/orchestrator/releases.hpp"
#include "core/fs.hpp"

#include <functional>
#include <map>
#include <string>

namespace conduit::test {

class FakeReleases final : public Releases {
  public:
    FakeReleases();
    void keep_in(fs::path file);
    std::string dump() const; // canonical, without keys

    std::string identity() const override { return "fake-local"; }
    Result<std::map<std::string, JsonBox>> read(std::span<const std::string> paths,
                                                Deadline deadline) override;
    Result<> write(const SettingsRequest& request, Deadline deadline) override;
    Result<bool> was_written(std::string_view key, const SettingChange& setting, Deadline deadline) override;
    Result<> settle(const std::string& workload, const ChangeProgress& progress, Deadline deadline) override;
    Result<RolloutStatus> status(const std::string& workload, Deadline deadline) override;
    Result<std::vector<Revision>> revisions(const std::string& workload, Deadline deadline) override;
    Result<std::vector<ContainerResources>> resources(const std::string& workload,
                                                      Deadline deadline) override;
    Result<ReleaseCheck> fits(const std::string& workload, const std::vector<ContainerResources>& resources,
                              Deadline deadline) override;
    Result<std::vector<ReleaseCheck>> precheck(const std::string& workload, Deadline deadline) override;
    Result<std::vector<Autoscaler>> autoscalers(Deadline deadline) override;
    Result<JsonBox> new_autoscaler(const std::string& workload, int min, int max, std::optional<int> cpu,
                                   Deadline deadline) override;
    Result<JsonBox> describe(const std::string& name, Deadline deadline) override;
    Result<std::vector<ReleaseEvent>> events(const std::string& object, Deadline deadline) override;
    Result<JsonBox> canary(const std::string& workload, Deadline deadline) override;
    Result<> steer_canary(const std::string& workload, std::string_view action, const std::string& key,
                          const std::function<void()>& on_sent, Deadline deadline) override;
    Result<bool> was_steered(const std::string& workload, std::string_view action, const std::string& key,
                             Deadline deadline) override;
    Result<> settle_canary(const std::string& workload, std::string_view action,
                           const ChangeProgress& progress, Deadline deadline) override;

    void set(const std::string& path, Json value); // as another client would
    Json get(const std::string& path) const;

    std::string state = "complete"; // of the rollout
    bool precheck_fails = false;
    std::vector<ReleaseEvent> happened;
    const Cancel* cancel = nullptr;
    std::map<std::string, Error> faults; // "read", "write", "settle", ... and "*" -> its answer
    std::function<void(const std::string& call)> before_call;
    std::function<void(const std::string& call)> after_call; // "sent"
    int broken_writes = 0;   // so many writes come to nothing: their rollout fails
    int reverted_writes = 0; // so many are put back at once by somebody else

  private:
    Result<> enter(const std::string& call);
    Result<> check_workload(const std::string& workload) const;
    void load();
    void save() const;

    JsonBox fields_; // path -> value
    JsonBox keys_;   // key -> true
    fs::path file_;
    bool broken_ = false; // what was written last does not run
};

} // namespace conduit::test
