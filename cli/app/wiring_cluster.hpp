// SPDX-License-Identifier: Apache-2.0
// What a context of kubernetes is made of.
#pragma once

#include "cli/app/app.hpp"
#include "cli/backend/agent.hpp"
#include "cli/ops/lock.hpp"
#include "cli/orchestrator/certificates.hpp"
#include "cli/orchestrator/endpoints.hpp"
#include "cli/orchestrator/orchestrator.hpp"
#include "cli/orchestrator/releases.hpp"
#include "cli/orchestrator/settings.hpp"
#include "cli/orchestrator/streams.hpp"
#include "cli/orchestrator/volumes.hpp"

namespace conduit {

Result<std::unique_ptr<Orchestrator>> make_cluster_orchestrator(App& app, const Context& context);
// To pods through the API server, and to every other address as always.
Result<std::unique_ptr<HttpClient>> make_cluster_http(App& app, const Context& context);
// Every replica that runs, through the API server. Those that crash, begin or drain are not asked.
Result<std::unique_ptr<Agents>> make_cluster_agents(App& app, const Context& context);
Result<std::unique_ptr<InstanceStreams>> make_cluster_streams(App& app, const Context& context);
Result<std::unique_ptr<ServiceSettings>> make_cluster_settings(App& app, const Context& context);
Result<std::unique_ptr<Endpoints>> make_cluster_endpoints(App& app, const Context& context);
// refused where the context is of no cluster.
Result<std::unique_ptr<Releases>> make_cluster_releases(App& app, const Context& context);
// refused, both.
Result<std::unique_ptr<Volumes>> make_cluster_volumes(App& app, const Context& context);
Result<std::unique_ptr<Certificates>> make_cluster_certificates(App& app, const Context& context);
std::unique_ptr<ops::LockStore> make_cluster_locks(App& app, const Context& context);

} // namespace conduit
