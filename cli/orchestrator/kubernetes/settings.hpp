// SPDX-License-Identifier: Apache-2.0
// The ConfigMaps, Secrets and services of one namespace.
#pragma once

#include "cli/orchestrator/endpoints.hpp"
#include "cli/orchestrator/settings.hpp"
#include "core/fs.hpp"
#include "core/kube/api.hpp"

#include <memory>
#include <string>

namespace conduit::kubernetes {

// identity: that of the orchestrator. fingerprint_salt: this operator's own, never shown. cache: where it is
// kept what the server serves.
std::unique_ptr<ServiceSettings> make_settings(std::shared_ptr<kube::Api> api, std::string name_space,
                                               std::string identity, std::string fingerprint_salt,
                                               fs::path cache = {});
std::unique_ptr<Endpoints> make_endpoints(std::shared_ptr<kube::Api> api, std::string name_space,
                                          fs::path cache = {});

} // namespace conduit::kubernetes
