// SPDX-License-Identifier: Apache-2.0
// The workloads of an orchestrator as a target of changes: "workloads/NAME/replicas" is a field, as is
// "workloads/NAME/remembered" beside it (how many there were before it was stopped); "restart" is an action.
#pragma once

#include "cli/ops/target.hpp"
#include "cli/orchestrator/orchestrator.hpp"

#include <functional>

namespace conduit::ops {

inline constexpr std::string_view k_restart_action = "restart";

// Asks an instance itself; ok when it answers that it is ready.
using InstanceProbe = std::function<Result<>(const Instance& instance, Deadline deadline)>;

// Waits until what is wanted of a workload is so; failed, at once, when it never will be. Where an
// orchestrator has such a wait of its own, it takes the place of looking again and again.
using Settle =
    std::function<Result<>(const std::string& workload, const ChangeProgress& progress, Deadline deadline)>;

class WorkloadTarget : public Target {
  public:
    // The orchestrator, whose identity this is, must outlive the target. Without a probe its word is enough.
    // cancel ends the waits of verify().
    WorkloadTarget(Orchestrator& orchestrator, std::string identity, InstanceProbe probe = {},
                   const Cancel* cancel = nullptr, Settle settle = {});

    std::string kind() const override { return orchestrator_.kind(); }
    std::string identity() const override { return identity_; }
    std::string name() const override { return identity_; }

    Result<FieldMap> observe(std::span<const std::string> paths, Deadline deadline) override;
    Result<Applied> apply(const WriteContext& context, const Step& step) override;
    Result<std::optional<Applied>> find(const StepKey& key, const Step& step, Deadline deadline) override;
    Result<> verify(const Step& step, const Applied& applied, Deadline deadline, Progress& progress) override;
    Result<Facts> facts(const Plan& plan, Deadline deadline) override;

  private:
    Result<Applied> scale(const WriteContext& context, const Step& step);
    Result<Applied> restart(const WriteContext& context, const Step& step);
    Result<> settle(const std::string& workload, Deadline deadline, Progress& progress);
    Result<> verify_scaled(const Step& step, Deadline deadline, Progress& progress);
    Result<> verify_restarted(const std::string& workload, const Applied& applied, Deadline deadline,
                              Progress& progress);
    Result<> check_problems(const std::string& workload, SteadyTime began, Deadline deadline);
    bool stopped() const { return cancel_ != nullptr && cancel_->requested(); }
    Result<> probe_all(const std::string& workload, Deadline deadline);

    Orchestrator& orchestrator_;
    const std::string identity_;
    InstanceProbe probe_;
    const Cancel* cancel_;
    Settle settle_;
};

// `scale to`: NAME to so many. Scope workload/NAME.
Intent scale_intent(WorkloadTarget& target, const std::string& workload, int replicas);
// `stop`: none, remembering how many there were; `start`: so many again, remembering nothing.
Intent stop_intent(WorkloadTarget& target, const Workload& workload);
Intent start_intent(WorkloadTarget& target, const std::string& workload, int replicas);
// `restart`: the named instances, or all of the workload one after the other.
Intent restart_intent(WorkloadTarget& target, const std::string& workload,
                      const std::vector<std::string>& instances, std::optional<Duration> drain = {});

} // namespace conduit::ops
