// SPDX-License-Identifier: Apache-2.0
// The Certificates of cert-manager in one namespace.
#pragma once

#include "cli/orchestrator/certificates.hpp"
#include "core/kube/api.hpp"

#include <memory>
#include <string>

namespace conduit::kubernetes {

std::unique_ptr<Certificates> make_certificates(std::shared_ptr<kube::Api> api, std::string name_space,
                                                std::string identity);

} // namespace conduit::kubernetes
