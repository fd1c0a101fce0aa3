// SPDX-License-Identifier: Apache-2.0
// HTTP to pods through the API server: no tunnel, no open port, and what RBAC allows (`get` or `create` on
// pods/proxy). The server strips Authorization on the way.
#pragma once

#include "core/http.hpp"
#include "core/kube/transport.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace conduit::kube {

// "https://10.0.0.1:6443/api/v1/namespaces/audio/pods/agent-1:9091/proxy", to put a path behind. tls: the
// pod's port speaks TLS; the server does not look at its certificate.
std::string pod_url(const std::string& server, std::string_view name_space, std::string_view pod,
                    std::string_view port, bool tls = false);

// Calls to URLs of `server` go over the transport, which many clients may share; others to `other`. What the
// API server itself says is an error: unreachable when the pod was not reached, unknown when the connection
// to it ended, auth when pods/proxy is forbidden. An answer of the pod is an answer, whatever its status.
std::unique_ptr<HttpClient> make_pod_client(std::shared_ptr<Transport> transport,
                                            std::unique_ptr<HttpClient> other);

} // namespace conduit::kube
