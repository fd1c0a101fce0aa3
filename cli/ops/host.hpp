// SPDX-License-Identifier: Apache-2.0
// Everything the engine needs from around it; the composition root and the tests each fill one in.
#pragma once

#include "cli/ops/change_options.hpp"
#include "cli/ops/confirm.hpp"
#include "cli/ops/crash_points.hpp"
#include "cli/ops/guard.hpp"
#include "cli/ops/journal.hpp"
#include "cli/ops/lock.hpp"
#include "cli/ops/progress.hpp"
#include "core/cancel.hpp"
#include "core/clock.hpp"

#include <string>
#include <vector>

namespace conduit::ops {

class ReversalStore;

struct Host {
    Clock& clock;
    Cancel& cancel;
    Journal& journal;
    LockStore& locks;
    Prompt& prompt;
    Progress& progress;
    ReversalStore* reversals = nullptr;
    CrashPoints* crash = nullptr;

    std::string operator_name;
    std::string host_name;
    std::string context;
    std::string context_line; // of the plan's header: "prod (kubernetes, eks-1, namespace production)"
    bool explicit_context = false;
    std::vector<std::string> command; // as typed; holds no secret
    std::string confirmed_by;         // a playbook or drill that was confirmed as a whole
    GuardConfig guards;
    ChangeOptions options;
};

} // namespace conduit::ops
