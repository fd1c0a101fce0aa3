// SPDX-License-Identifier: Apache-2.0
// What "it worked" means for each kind of path, beyond "every replica has read it".
#pragma once

#include "cli/backend/agent.hpp"
#include "cli/ops/facts.hpp"
#include "cli/ops/plan.hpp"
#include "cli/ops/progress.hpp"

namespace conduit {

struct EffectLimits {
    Deadline deadline;
    Duration quiet{1000};
    const Cancel* cancel = nullptr; // interrupted once it is requested
};

//   providers/<p>/enabled false  no replica selects it any more: its counter stands still for `quiet`
//   providers/<p>/realtime_drain nothing is under way there any more, realtime sessions included (if
//   disabled) pool/reset_epoch             no older connection is left in any replica (but those of realtime
//   sessions,
//                                unless pool/realtime_drain ends them)
//   providers/<p>/circuit_epoch  the circuit is closed in every replica
//   cache/clear                  no key with the prefix is left in any replica
//   safety/emergency true        harmless text is refused by every replica
// Other paths have no effect to be seen apart from the revision.
Result<> see_effect(Agents& agents, Clock& clock, const ops::Field& field, EffectLimits limits,
                    ops::Progress& progress);

// For the guards: the providers as they are, and as they would be with the plan's fields written.
ops::Facts provider_facts(const Json& providers, const ops::Plan& plan);

} // namespace conduit
