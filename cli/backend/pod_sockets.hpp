// SPDX-License-Identifier: Apache-2.0
// From the addresses that servers inside of a cluster announce ("10.1.2.3:6379") to sockets here: the pod
// that has the address is found, and a tunnel to its port opened once.
#pragma once

#include "cli/backend/tunnel.hpp"
#include "cli/orchestrator/endpoints.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace conduit {

class PodSockets { // for one thread
  public:
    // service: whose pods are looked at first. All must outlive this.
    PodSockets(Endpoints& endpoints, InstanceStreams& streams, std::string service, const Cancel& cancel)
        : endpoints_(endpoints), streams_(streams), service_(std::move(service)), cancel_(cancel)
    {
    }

    // host: a pod's address or name ("redis-0", "redis-0.redis-headless.production.svc"), or a service: then
    // one of its ready pods. not_found: it is none of them; unreachable: no pod of the service is ready.
    Result<fs::path> socket_of(const std::string& host, std::uint16_t port, Deadline deadline);
    // Why the last connection through that socket failed.
    std::optional<Error> fault_of(const std::string& host, std::uint16_t port) const;

  private:
    struct Place {
        std::string instance;
        std::uint16_t port = 0;
    };
    Result<Place> place_of(const std::string& host, std::uint16_t port, Deadline deadline);
    Result<std::optional<Place>> pod_of(const std::string& service, const std::string& host,
                                        std::uint16_t port, Deadline deadline);

    Endpoints& endpoints_;
    InstanceStreams& streams_;
    const std::string service_;
    const Cancel& cancel_;
    std::map<std::string, std::unique_ptr<Tunnel>> tunnels_; // by "host:port"
};

} // namespace conduit
