// SPDX-License-Identifier: Apache-2.0
// A PostgreSQL as a target of changes. Fields: "settings/NAME" is what postgresql.auto.conf says,
// "indexes/SCHEMA/NAME" an index by its definition; null is nothing. Actions: see postgres_actions.hpp.
#pragma once

#include "cli/backend/database.hpp"
#include "cli/ops/target.hpp"
#include "core/cancel.hpp"

namespace conduit::ops {

class PostgresTarget final : public Target {
  public:
    // All must outlive the target.
    PostgresTarget(Database& database, Clock& clock, const Cancel* cancel)
        : database_(database), clock_(clock), cancel_(cancel)
    {
    }
    std::string kind() const override { return "postgres"; }
    std::string identity() const override { return database_.identity(); }
    std::string name() const override { return database_.identity(); }

    Result<FieldMap> observe(std::span<const std::string> paths, Deadline deadline) override;
    Result<Applied> apply(const WriteContext& context, const Step& step) override;
    Result<std::optional<Applied>> find(const StepKey& key, const Step& step, Deadline deadline) override;
    Result<> verify(const Step& step, const Applied& applied, Deadline deadline, Progress& progress) override;
    Result<Facts> facts(const Plan& plan, Deadline deadline) override;

  private:
    Result<JsonBox> field(const std::string& path, Deadline deadline);

    Database& database_;
    Clock& clock_;
    const Cancel* const cancel_;
};

std::string index_path(const std::string& schema, const std::string& name); // "indexes/public/by_time"

} // namespace conduit::ops
