// SPDX-License-Identifier: Apache-2.0
// The PostgreSQL of the context: where it is, how it is reached, and the password when it is wanted.
#pragma once

#include "cli/app/wiring_cluster.hpp"
#include "cli/backend/database.hpp"
#include "cli/ops/target.hpp"

namespace conduit {

Result<std::unique_ptr<Database>> make_context_database(App& app,
                                                        const std::shared_ptr<ClusterConnection>& connection);
Result<std::unique_ptr<ops::Target>> make_postgres_target(App& app);
Result<std::unique_ptr<ops::Target>> make_postgres_restart_target(App& app); // where the orchestrator runs it
CheckResult postgres_reachable(App& app, const Context& context);            // for `doctor`

} // namespace conduit
