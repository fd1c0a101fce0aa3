// SPDX-License-Identifier: Apache-2.0
// What is done once by this run and no other: a command in an instance, a file into it. It has no fields,
// cannot be repeated by resume, and cannot be undone.
#pragma once

#include "cli/ops/target.hpp"

#include <functional>

namespace conduit::ops {

class OnceTarget final : public Target {
  public:
    using Act = std::function<Result<Applied>(const WriteContext& context)>;

    OnceTarget(std::string kind, std::string identity)
        : kind_(std::move(kind)), identity_(std::move(identity))
    {
    }
    // Of the next apply(), whose step must have these arguments.
    void set_act(JsonBox arguments, Act act)
    {
        arguments_ = std::move(arguments);
        act_ = std::move(act);
    }

    std::string kind() const override { return kind_; }
    std::string identity() const override { return identity_; }
    std::string name() const override { return identity_; }
    Result<FieldMap> observe(std::span<const std::string> paths, Deadline deadline) override;
    Result<Applied> apply(const WriteContext& context, const Step& step) override;
    Result<std::optional<Applied>> find(const StepKey& key, const Step& step, Deadline deadline) override;
    Result<> verify(const Step& step, const Applied& applied, Deadline deadline, Progress& progress) override;
    bool keyed(const Step& step) const override;

  private:
    const std::string kind_, identity_;
    JsonBox arguments_;
    Act act_;
};

} // namespace conduit::ops
