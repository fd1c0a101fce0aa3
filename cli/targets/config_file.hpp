// SPDX-License-Identifier: Apache-2.0
// The agents' base configuration file as a target of changes: "file/providers/openai/enabled" is the value at
// that place of the YAML (null: it is not there). Comments and order of the file stay.
#pragma once

#include "cli/backend/agent.hpp"
#include "cli/ops/target.hpp"
#include "cli/targets/base_config.hpp"
#include "core/cancel.hpp"

namespace conduit {

inline constexpr std::string_view k_file_field = "file/";

class ConfigFile {
  public:
    explicit ConfigFile(std::unique_ptr<BaseConfig> where) : where_(std::move(where)) {}

    Result<ops::FieldMap> observe(std::span<const std::string> paths, Deadline deadline) const;
    Result<ops::Applied> apply(const ops::WriteContext& context, const ops::Step& step) const;
    Result<std::optional<ops::Applied>> find(const ops::StepKey& key, const ops::Step& step,
                                             Deadline deadline) const;
    // Every replica has read the file as the step left it. failed: one of them cannot use it.
    static Result<> verify(Agents& agents, Clock& clock, const ops::Applied& applied, Deadline deadline,
                           const Cancel* cancel, ops::Progress& progress);

  private:
    Result<ops::Applied> apply_once(const ops::WriteContext& context, const ops::Step& step) const;
    std::unique_ptr<BaseConfig> where_;
};

// The agents' control state and their base file in one operation: what it writes to both is taken back from
// both.
class PersistTarget final : public ops::Target {
  public:
    // control must be a target of the same agents.
    PersistTarget(std::unique_ptr<ops::Target> control, Agents& agents, Clock& clock, ConfigFile file,
                  const Cancel* cancel)
        : control_(std::move(control)), agents_(agents), clock_(clock), file_(std::move(file)),
          cancel_(cancel)
    {
    }

    std::string kind() const override { return "agent-and-file"; }
    std::string identity() const override { return control_->identity(); }
    std::string name() const override { return control_->name() + " and their configuration file"; }
    Result<ops::FieldMap> observe(std::span<const std::string> paths, Deadline deadline) override;
    Result<ops::Applied> apply(const ops::WriteContext& context, const ops::Step& step) override;
    Result<std::optional<ops::Applied>> find(const ops::StepKey& key, const ops::Step& step,
                                             Deadline deadline) override;
    Result<> verify(const ops::Step& step, const ops::Applied& applied, Deadline deadline,
                    ops::Progress& progress) override;
    Result<ops::Facts> facts(const ops::Plan& plan, Deadline deadline) override;
    bool keyed(const ops::Step&) const override { return true; }
    bool carries_expiry(const ops::Step& step) const override;

  private:
    std::unique_ptr<ops::Target> control_;
    Agents& agents_;
    Clock& clock_;
    ConfigFile file_;
    const Cancel* cancel_;
};

} // namespace conduit
