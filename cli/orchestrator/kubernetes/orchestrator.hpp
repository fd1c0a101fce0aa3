// SPDX-License-Identifier: Apache-2.0
// The workloads of one namespace of a cluster.
#pragma once

#include "cli/orchestrator/orchestrator.hpp"
#include "core/kube/api.hpp"

#include <memory>
#include <string>

namespace conduit::kubernetes {

// Its identity: the uid of the cluster's namespace kube-system (its address where that may not be read), with
// the namespace. cache: where it is kept what the server serves; empty: nowhere.
std::unique_ptr<Orchestrator> make_orchestrator(std::shared_ptr<kube::Api> api, std::string name_space,
                                                fs::path cache = {});

} // namespace conduit::kubernetes
