// SPDX-License-Identifier: Apache-2.0
// The settings of a service as a target of changes. Fields:
//   configmaps/NAME/KEY            the text of a key
//   configmaps/NAME/KEY:a.b        one value within a text that is YAML, JSON, .env or .properties
//   configmaps/NAME/@applied       our record of what a file put there
//   configmaps/NAME/@map           true: the map is there
//   secrets/NAME/KEY               a digest; the value itself is handed over by stage()
//   workloads/NAME/config-checksum of the pod template: another one replaces every instance
// One step writes maps and secrets first and templates then, forward and back, so that what is started reads
// what holds.
#pragma once

#include "cli/config/secret.hpp"
#include "cli/ops/target.hpp"
#include "cli/orchestrator/settings.hpp"
#include "core/cancel.hpp"

namespace conduit {

class SettingsTarget final : public ops::Target {
  public:
    // The settings must outlive the target.
    SettingsTarget(ServiceSettings& settings, Clock& clock) : settings_(settings), clock_(clock) {}

    std::string kind() const override { return "settings"; }
    std::string identity() const override { return settings_.identity(); }
    std::string name() const override { return settings_.identity(); }
    Result<ops::FieldMap> observe(std::span<const std::string> paths, Deadline deadline) override;
    Result<ops::Applied> apply(const ops::WriteContext& context, const ops::Step& step) override;
    Result<std::optional<ops::Applied>> find(const ops::StepKey& key, const ops::Step& step,
                                             Deadline deadline) override;
    // unverified: instances that read a changed key when they start still run with the old value.
    Result<> verify(const ops::Step& step, const ops::Applied& applied, Deadline deadline,
                    ops::Progress& progress) override;
    Result<std::optional<std::string>> dry_run(const ops::Step& step, Deadline deadline) override;

    // Was whoever reads these fields at its start, started since they were written last? unverified: not.
    Result<> check_started(const ops::Step& step, Deadline deadline);

    // The value that a field with this digest stands for; of this process only, never recorded.
    void stage(const std::string& digest, Secret value) { staged_[digest] = std::move(value); }
    ServiceSettings& settings() { return settings_; }

  private:
    struct Object;
    static Result<std::vector<Object>> objects_of(const ops::Step& step);
    Result<std::optional<WallTime>> done_at(const Object& object, std::string_view key, Deadline deadline);
    Result<std::optional<WallTime>> write(const Object& object, const std::string& key, bool dry_run,
                                          const std::function<void()>& sent, Deadline deadline);
    Result<WallTime> write_map(const Object& object, const std::string& key, bool dry_run,
                               const std::function<void()>& sent, Deadline deadline);
    Result<WallTime> write_secret(const Object& object, const std::string& key, bool dry_run,
                                  const std::function<void()>& sent, Deadline deadline);
    Result<> check_unmoved(const std::vector<Object>& objects, Deadline deadline);
    Result<std::optional<WallTime>> last_written(const Object& object, const std::string& key,
                                                 Deadline deadline);
    // written: of all of it; nullopt: as the server says of each key.
    Result<> verify_started(const std::vector<Object>& objects, std::optional<WallTime> written,
                            Deadline deadline);

    ServiceSettings& settings_;
    Clock& clock_;
    std::map<std::string, Secret> staged_;
};

struct SettingField { // of a map, or "secrets/..."
    std::string path;
    JsonBox after;
    bool secret = false;
    std::string shown; // "3600 → 7200"
};
struct SettingsChange {
    std::string verb, resource, summary, confirm_name;
    std::vector<SettingField> fields;
    bool restart = false;       // what reads a changed key at its start
    bool restart_files = false; // ... and what has it as a file
};
// Looks who reads the changed keys, and says in the plan what becomes of them.
Result<ops::Intent> settings_intent(SettingsTarget& target, SettingsChange change, Deadline deadline);

} // namespace conduit
