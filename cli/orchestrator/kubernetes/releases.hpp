// SPDX-License-Identifier: Apache-2.0
// Settings, revisions and rollouts of the workloads of one namespace.
#pragma once

#include "cli/orchestrator/releases.hpp"
#include "core/kube/api.hpp"

#include <memory>
#include <string>

namespace conduit::kubernetes {

// identity: that of the orchestrator, so that both take the same locks.
std::unique_ptr<Releases> make_releases(std::shared_ptr<kube::Api> api, std::string name_space,
                                        std::string identity);

} // namespace conduit::kubernetes
