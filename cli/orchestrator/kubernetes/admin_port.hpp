// SPDX-License-Identifier: Apache-2.0
// Which pods have an admin API, and where it is reached through the API server.
#pragma once

#include "core/json.hpp"

#include <string>
#include <string_view>

namespace conduit::kubernetes {

// port: the name of a container's port, or a number that any pod is asked at. "" when the pod has none of
// that name, or runs nowhere yet. The port's name tells TLS: "https-..." or "admin-tls".
std::string admin_url_of(const Json& pod, const std::string& server, std::string_view port = "admin");

} // namespace conduit::kubernetes
