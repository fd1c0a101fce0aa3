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
#include "cli/targets/cluster_records.hpp"
#include "core/kube/api.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace conduit {

// What reaches the cluster of a context: one pool of connections for all that a command does there.
struct Cluster {
    kube::Access access;
    std::shared_ptr<kube::Api> api;
    std::string name_space;
    fs::path cache; // of what clusters serve
};

class ClusterConnection { // made on first use; the App has one context
  public:
    Result<const Cluster*> get(App& app);

  private:
    std::mutex mutex_;
    std::optional<Cluster> cluster_;
};

Result<std::unique_ptr<Orchestrator>> make_cluster_orchestrator(const Cluster& cluster);
// To pods through the API server, and to every other address as always.
Result<std::unique_ptr<HttpClient>> make_cluster_http(App& app, const Cluster& cluster);
// Every replica that runs, through the API server. Those that crash, begin or drain are not asked.
Result<std::unique_ptr<Agents>> make_cluster_agents(App& app, const Context& context, const Cluster& cluster);
Result<std::unique_ptr<InstanceStreams>> make_cluster_streams(App& app, const Cluster& cluster);
Result<std::unique_ptr<ServiceSettings>> make_cluster_settings(App& app, const Cluster& cluster);
Result<std::unique_ptr<Endpoints>> make_cluster_endpoints(const Cluster& cluster);
Result<std::unique_ptr<Releases>> make_cluster_releases(App& app, const Cluster& cluster);
Result<std::unique_ptr<Volumes>> make_cluster_volumes(App& app, const Cluster& cluster);
Result<std::unique_ptr<Certificates>> make_cluster_certificates(App& app, const Cluster& cluster);
// A value of a Secret; location: "NAMESPACE/SECRET/KEY".
Result<std::string> read_cluster_secret(const Cluster& cluster, const std::string& location,
                                        Deadline deadline);
// The record of operations in the cluster itself.
std::unique_ptr<ClusterRecords> make_cluster_records(App& app, std::shared_ptr<ClusterConnection> cluster);
std::unique_ptr<ops::LockStore> make_cluster_locks(App& app, std::shared_ptr<ClusterConnection> cluster);

} // namespace conduit
