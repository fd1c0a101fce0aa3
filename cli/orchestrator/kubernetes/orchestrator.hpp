// SPDX-License-Identifier: Apache-2.0
// The workloads of one namespace of a cluster.
#pragma once

#include "cli/orchestrator/orchestrator.hpp"
#include "core/kube/api.hpp"

#include <memory>
#include <string>

namespace conduit::kubernetes {

// Who the cluster is (the uid of its namespace kube-system; its address where that may not be read), with the
// namespace.
Result<std::string> cluster_identity(kube::Api& api, const std::string& name_space, Deadline deadline);

// Asks that once. cache: where it is kept what the server serves; empty: nowhere.
Result<std::unique_ptr<Orchestrator>> make_orchestrator(std::unique_ptr<kube::Api> api,
                                                        std::string name_space, Deadline deadline,
                                                        fs::path cache = {});

} // namespace conduit::kubernetes
