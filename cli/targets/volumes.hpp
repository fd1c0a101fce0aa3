// SPDX-License-Identifier: Apache-2.0
// Volumes as a target of changes: "volumes/NAME/size" is a field that only ever grows.
#pragma once

#include "cli/ops/target.hpp"
#include "cli/orchestrator/volumes.hpp"

namespace conduit::ops {

class VolumeTarget final : public Target {
  public:
    // The volumes must outlive the target.
    explicit VolumeTarget(Volumes& volumes) : volumes_(volumes) {}

    std::string kind() const override { return "volumes"; }
    std::string identity() const override { return volumes_.identity(); }
    std::string name() const override { return volumes_.identity(); }

    Result<FieldMap> observe(std::span<const std::string> paths, Deadline deadline) override;
    Result<Applied> apply(const WriteContext& context, const Step& step) override;
    Result<std::optional<Applied>> find(const StepKey& key, const Step& step, Deadline deadline) override;
    Result<> verify(const Step& step, const Applied& applied, Deadline deadline, Progress& progress) override;
    Result<std::optional<std::string>> dry_run(const Step& step, Deadline deadline) override;

  private:
    Volumes& volumes_;
};

// It cannot be undone: a volume never shrinks.
Intent expand_intent(VolumeTarget& target, const std::string& volume, const std::string& size);

} // namespace conduit::ops
