// SPDX-License-Identifier: Apache-2.0
// What a context of kubernetes is made of.
#pragma once

#include "cli/app/app.hpp"
#include "cli/ops/lock.hpp"
#include "cli/orchestrator/endpoints.hpp"
#include "cli/orchestrator/orchestrator.hpp"
#include "cli/orchestrator/settings.hpp"

namespace conduit {

Result<std::unique_ptr<Orchestrator>> make_cluster_orchestrator(App& app, const Context& context);
Result<std::unique_ptr<ServiceSettings>> make_cluster_settings(App& app, const Context& context);
Result<std::unique_ptr<Endpoints>> make_cluster_endpoints(App& app, const Context& context);
std::unique_ptr<ops::LockStore> make_cluster_locks(App& app, const Context& context);

} // namespace conduit
