// SPDX-License-Identifier: Apache-2.0
// The PersistentVolumeClaims of one namespace.
#pragma once

#include "cli/orchestrator/volumes.hpp"
#include "core/kube/api.hpp"

#include <memory>
#include <string>

namespace conduit::kubernetes {

std::unique_ptr<Volumes> make_volumes(std::shared_ptr<kube::Api> api, std::string name_space,
                                      std::string identity);

} // namespace conduit::kubernetes
