// SPDX-License-Identifier: Apache-2.0
// The backups of a repository as a target of changes: making one is an action, and "backups/ID" is the time
// it was finished (null: it is not there).
#pragma once

#include "cli/backup/backups.hpp"
#include "cli/ops/target.hpp"

namespace conduit::ops {

class BackupTarget final : public Target {
  public:
    // All must outlive the target.
    BackupTarget(Backups& backups, Clock& clock, const Cancel* stop)
        : backups_(backups), clock_(clock), stop_(stop)
    {
    }

    std::string kind() const override { return "backups"; }
    std::string identity() const override { return backups_.identity(); }
    std::string name() const override { return backups_.identity(); }
    Result<FieldMap> observe(std::span<const std::string> paths, Deadline deadline) override;
    Result<Applied> apply(const WriteContext& context, const Step& step) override;
    Result<std::optional<Applied>> find(const StepKey& key, const Step& step, Deadline deadline) override;
    Result<> verify(const Step& step, const Applied& applied, Deadline deadline, Progress& progress) override;
    bool keyed(const Step&) const override { return true; }

  private:
    Result<Applied> make(const WriteContext& context, const Step& step);
    Result<Applied> remove(const WriteContext& context, const Step& step);

    Backups& backups_;
    Clock& clock_;
    const Cancel* stop_;
};

inline constexpr std::string_view k_make_backup = "backup";

Intent make_backup_intent(BackupTarget& target, const Backups& backups, const std::string& id,
                          const std::vector<std::string>& parts);
// Takes away those that the verdicts do not keep; with their manifests.
Intent prune_intent(BackupTarget& target, const backup::Catalog& catalog,
                    const std::vector<backup::Verdict>& verdicts);

} // namespace conduit::ops
