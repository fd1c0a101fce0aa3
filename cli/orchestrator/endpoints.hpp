// SPDX-License-Identifier: Apache-2.0
// Where a service's traffic goes now, and why it goes nowhere.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"

#include <string>
#include <vector>

namespace conduit {

struct EndpointAddress {
    std::string address;
    std::string instance; // "" when it is no instance of ours
    std::string node;
    std::vector<std::string> ports; // "http 8080/TCP"
    bool ready = false;
    bool terminating = false;
    std::string problem; // why it is not ready; "" when nothing is known
};

struct ServiceEndpoints {
    std::string service;
    std::string type;     // "ClusterIP", "ExternalName"
    std::string selector; // "app=agent"; "" for none
    std::vector<EndpointAddress> addresses;
    std::vector<std::string> ready_instances; // that the selector chooses, by the orchestrator's word
    std::string reason;                       // why no address is ready; "" when one is
    std::string cause_hint;                   // what to type then
};

class Endpoints {
  public:
    virtual ~Endpoints() = default;
    // not_found names the nearest services.
    virtual Result<ServiceEndpoints> of(const std::string& service, Deadline deadline) = 0;
    virtual Result<std::vector<std::string>> services(Deadline deadline) = 0;
};

} // namespace conduit
