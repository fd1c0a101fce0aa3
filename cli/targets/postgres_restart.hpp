// SPDX-License-Identifier: Apache-2.0
// The restart of the workload that runs a PostgreSQL: CHECKPOINT before, so that it is short, and afterwards
// the server itself has to say that it began anew.
#pragma once

#include "cli/backend/database.hpp"
#include "cli/ops/target.hpp"
#include "core/cancel.hpp"

#include <memory>

namespace conduit::ops {

class PostgresRestartTarget final : public Target {
  public:
    // workloads: knows the action k_restart_action. All must outlive the target.
    PostgresRestartTarget(Database& database, Target& workloads, Clock& clock, const Cancel* cancel)
        : database_(database), workloads_(workloads), clock_(clock), cancel_(cancel)
    {
    }
    std::string kind() const override { return "postgres-restart"; }
    std::string identity() const override { return workloads_.identity(); }
    std::string name() const override { return workloads_.name(); }
    Result<FieldMap> observe(std::span<const std::string> paths, Deadline deadline) override;
    Result<Applied> apply(const WriteContext& context, const Step& step) override;
    Result<std::optional<Applied>> find(const StepKey& key, const Step& step, Deadline deadline) override;
    Result<> verify(const Step& step, const Applied& applied, Deadline deadline, Progress& progress) override;
    Result<Facts> facts(const Plan& plan, Deadline deadline) override;

  private:
    Database& database_;
    Target& workloads_;
    Clock& clock_;
    const Cancel* const cancel_;
};

} // namespace conduit::ops
