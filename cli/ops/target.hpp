// SPDX-License-Identifier: Apache-2.0
// One system that holds fields and can be written: the agents' control state, the local orchestrator, a
// cluster. The engine is the only caller of apply().
#pragma once

#include "cli/ops/facts.hpp"
#include "cli/ops/plan.hpp"
#include "cli/ops/progress.hpp"
#include "cli/ops/step.hpp"
#include "core/clock.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

namespace conduit::ops {

struct WriteContext {
    StepKey key;
    std::string operator_name;
    std::string reason;
    std::uint64_t fence = 0; // of the lock on `scope`; a target that remembers fences refuses an older one
    std::string scope;
    bool force = false;
    Deadline deadline;
    std::function<void()> sent; // to be called when a write has left, before its answer is read; may be empty
};

class Target {
  public:
    virtual ~Target() = default;
    virtual std::string kind() const = 0; // "agent", "local": with it undo and resume find the target again
    virtual std::string identity() const = 0; // part of the lock's key: the same from wherever it is reached
    virtual std::string name() const = 0;     // for messages, with the address

    virtual Result<FieldMap> observe(std::span<const std::string> paths, Deadline deadline) = 0;

    // Writes the step's fields if they still are what the step says they were, all of them or none.
    // Errors by kind: unreachable, nothing was sent; unknown, it was sent and the outcome is not known;
    // stale, a field is no longer what was planned (details "field" and "by"); refused or auth, the server
    // said no; partial, some of it stands; failed, nothing of it stands. A key seen before answers as it did
    // then.
    virtual Result<Applied> apply(const WriteContext& context, const Step& step) = 0;
    // Did the step with this key happen?
    virtual Result<std::optional<Applied>> find(const StepKey& key, const Step& step, Deadline deadline) = 0;
    // Waits until the effect is seen. Errors: unverified, not seen in time; failed, it never will be.
    virtual Result<> verify(const Step& step, const Applied& applied, Deadline deadline,
                            Progress& progress) = 0;

    // Asks the server what it would say; nothing is written. nullopt: this server cannot answer that.
    virtual Result<std::optional<std::string>> dry_run(const Step& step, Deadline deadline);
    // What guards look at: the state now, and as it would be with the plan's fields written.
    virtual Result<Facts> facts(const Plan& plan, Deadline deadline);
    // Can this step carry its key? One that cannot is never repeated by resume.
    virtual bool keyed(const Step& step) const;
    // Does the target itself end a value at Field::after_until? Else a reversal record does it.
    virtual bool carries_expiry(const Step& step) const;
};

// Finds the target of a recorded plan again, for undo, resume and reversals. The finder owns it.
class TargetFinder {
  public:
    virtual ~TargetFinder() = default;
    virtual Result<Target*> find(const std::string& kind, const std::string& identity) = 0;
};

} // namespace conduit::ops
