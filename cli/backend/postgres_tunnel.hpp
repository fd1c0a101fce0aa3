// SPDX-License-Identifier: Apache-2.0
// A folder with the socket that libpq looks for, leading to a server inside of a cluster.
#pragma once

#include "cli/backend/tunnel.hpp"
#include "cli/orchestrator/endpoints.hpp"

namespace conduit {

class PostgresTunnel {
  public:
    static Result<std::unique_ptr<PostgresTunnel>> open(OpenPort open, int port);
    const fs::path& folder() const { return folder_.path(); } // of this user alone; has .s.PGSQL.PORT
    std::optional<Error> fault() const { return tunnel_->fault(); }

  private:
    PostgresTunnel(TempDir folder, std::unique_ptr<Tunnel> tunnel)
        : folder_(std::move(folder)), tunnel_(std::move(tunnel))
    {
    }
    TempDir folder_;
    std::unique_ptr<Tunnel> tunnel_;
};

// Each connection goes to the pod of the one before while the service has it ready: what cancels a statement
// must reach the server that runs it. port: of the service, for where its pods have several.
OpenPort open_service_port(Endpoints& endpoints, InstanceStreams& streams, std::string service, int port,
                           const Cancel& cancel);

} // namespace conduit
