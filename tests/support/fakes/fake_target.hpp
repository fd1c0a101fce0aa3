// SPDX-License-Identifier: Apache-2.0
// A target whose fields live in one JSON file, so that several processes see the same one, and whose faults
// are scripted. It keeps the keys of the steps it did, and ends values at their time, as the agents do.
#pragma once

#include "cli/ops/target.hpp"

#include <functional>
#include <string>
#include <vector>

namespace conduit::test {

enum class Fault {
    none,
    unreachable,  // nothing was sent
    lost_request, // sent, never arrived, no reply
    lost_reply,   // done, no reply
    refused,      // the server said no
    half_done,    // the first field was written, then it failed
};

class FakeTarget final : public ops::Target {
  public:
    FakeTarget(fs::path file, Clock& clock) : file_(std::move(file)), clock_(clock) {}

    std::string kind() const override { return "fake"; }
    std::string identity() const override { return "fake:one"; }
    std::string name() const override { return "the fake at " + file_.string(); }
    Result<ops::FieldMap> observe(std::span<const std::string> paths, Deadline deadline) override;
    Result<ops::Applied> apply(const ops::WriteContext& context, const ops::Step& step) override;
    Result<std::optional<ops::Applied>> find(const ops::StepKey& key, const ops::Step& step,
                                             Deadline deadline) override;
    Result<> verify(const ops::Step& step, const ops::Applied& applied, Deadline deadline,
                    ops::Progress& progress) override;
    Result<std::optional<std::string>> dry_run(const ops::Step& step, Deadline deadline) override;
    Result<ops::Facts> facts(const ops::Plan& plan, Deadline deadline) override;
    bool keyed(const ops::Step& step) const override { return keyed_ && step.action != "unkeyed"; }
    bool carries_expiry(const ops::Step& /*step*/) const override { return expiring; }

    // Behind the engine's back, as another operator or the agent itself would.
    void set(const std::string& path, Json value, const std::string& by = {});
    Json get(const std::string& path) const;
    std::string dump() const; // canonical, without revision, keys and who wrote what
    std::vector<std::string> keys() const;

    bool expiring = false;
    bool keyed_ = true;
    bool no_reads = false;                             // observe() cannot reach it
    std::function<Fault(const ops::StepKey&)> fault;   // of apply()
    std::function<Result<>(const ops::Step&)> verdict; // of verify()
    int applied = 0;

  private:
    Json load() const;
    void store(const Json& state) const;
    ops::SystemState system(const Json& fields) const;

    fs::path file_;
    Clock& clock_;
};

class OneTarget final : public ops::TargetFinder {
  public:
    explicit OneTarget(ops::Target& target) : target_(target) {}
    Result<ops::Target*> find(const std::string& kind, const std::string& identity) override
    {
        if (kind != target_.kind() || identity != target_.identity())
            return fail(ErrorKind::not_found, "no target " + identity);
        return &target_;
    }

  private:
    ops::Target& target_;
};

} // namespace conduit::test
