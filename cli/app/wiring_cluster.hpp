// SPDX-License-Identifier: Apache-2.0
// What a context of kubernetes is made of.
#pragma once

#include "cli/app/app.hpp"
#include "cli/ops/lock.hpp"
#include "cli/orchestrator/orchestrator.hpp"
#include "cli/orchestrator/releases.hpp"

namespace conduit {

Result<std::unique_ptr<Orchestrator>> make_cluster_orchestrator(App& app, const Context& context);
// refused where the context is of no cluster.
Result<std::unique_ptr<Releases>> make_cluster_releases(App& app, const Context& context);
std::unique_ptr<ops::LockStore> make_cluster_locks(App& app, const Context& context);

} // namespace conduit
