// SPDX-License-Identifier: Apache-2.0
// The settings of a cluster's workloads as a target of changes: each is a field (see
// cli/orchestrator/releases.hpp), steering a canary is an action.
#pragma once

#include "cli/ops/target.hpp"
#include "cli/orchestrator/releases.hpp"

namespace conduit::ops {

inline constexpr std::string_view k_canary_action = "canary"; // arguments: workload, do

class ReleaseTarget final : public Target {
  public:
    // The releases must outlive the target.
    explicit ReleaseTarget(Releases& releases) : releases_(releases) {}

    std::string kind() const override { return "releases"; }
    std::string identity() const override { return releases_.identity(); }
    std::string name() const override { return releases_.identity(); }

    Result<FieldMap> observe(std::span<const std::string> paths, Deadline deadline) override;
    Result<Applied> apply(const WriteContext& context, const Step& step) override;
    Result<std::optional<Applied>> find(const StepKey& key, const Step& step, Deadline deadline) override;
    Result<> verify(const Step& step, const Applied& applied, Deadline deadline, Progress& progress) override;
    Result<std::optional<std::string>> dry_run(const Step& step, Deadline deadline) override;
    Result<Facts> facts(const Plan& plan, Deadline deadline) override;

  private:
    Result<> verify_fields(const Step& step, Deadline deadline);

    Releases& releases_;
};

// A change of fields of one workload. Scope workload/NAME, as that of `scale` and `restart`.
struct ReleaseChange {
    std::string verb, workload, summary;
    std::vector<std::pair<std::string, JsonBox>> fields; // path, value
    std::vector<std::pair<std::string, std::string>> lines;
    std::string verify = "the rollout is complete, and every replica is available";
    std::string undo = "what was set before is put back";
    Tier tier = Tier::moderate;
    bool rollback = true;
};
Intent release_intent(ReleaseTarget& target, ReleaseChange change);
Intent canary_intent(ReleaseTarget& target, const std::string& workload, const std::string& action);

} // namespace conduit::ops
