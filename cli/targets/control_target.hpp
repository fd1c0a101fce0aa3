// SPDX-License-Identifier: Apache-2.0
// The agents' control state as the operation engine sees it. A field is a path of the state and its value is
// the *override* there (null: none), never the effective value: so undo restores exactly what was, and a
// later change of the base configuration is not frozen in.
#pragma once

#include "cli/backend/agent.hpp"
#include "cli/ops/target.hpp"

namespace conduit {

class ControlTarget final : public ops::Target {
  public:
    // quiet: how long a provider's selection counter must stand still before "no new request" is believed.
    // shared_lock: everybody who writes here takes the same lock, so its fence means something to the agents.
    // cancel: ends the waits of verify(); null: nothing does.
    ControlTarget(Agents& agents, Clock& clock, Duration quiet = Duration{1000}, bool shared_lock = false,
                  const Cancel* cancel = nullptr)
        : agents_(agents), clock_(clock), quiet_(quiet), shared_lock_(shared_lock), cancel_(cancel)
    {
    }

    std::string kind() const override { return "agent"; }
    std::string identity() const override { return agents_.identity(); }
    std::string name() const override { return "the agents of " + agents_.identity(); }

    Result<ops::FieldMap> observe(std::span<const std::string> paths, Deadline deadline) override;
    Result<ops::Applied> apply(const ops::WriteContext& context, const ops::Step& step) override;
    Result<std::optional<ops::Applied>> find(const ops::StepKey& key, const ops::Step& step,
                                             Deadline deadline) override;
    // Every replica at the revision and none that cannot apply it (failed), then the effect itself where it
    // can be seen (see control_effects.cpp).
    Result<> verify(const ops::Step& step, const ops::Applied& applied, Deadline deadline,
                    ops::Progress& progress) override;
    Result<ops::Facts> facts(const ops::Plan& plan, Deadline deadline) override;
    bool keyed(const ops::Step&) const override { return true; }
    bool carries_expiry(const ops::Step&) const override { return true; } // the agents enforce it themselves

  private:
    Agents& agents_;
    Clock& clock_;
    Duration quiet_;
    bool shared_lock_;
    const Cancel* cancel_;
};

// Paths of the control state, written once.
std::string provider_path(std::string_view provider, std::string_view field); // "providers/openai/weight"

} // namespace conduit
