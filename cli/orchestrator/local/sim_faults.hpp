// SPDX-License-Identifier: Apache-2.0
// Faults of the simulated providers, set through the simulator's control address.
#pragma once

#include "cli/orchestrator/local_stack.hpp"
#include "core/http.hpp"

namespace conduit::local {

Json fault_patch(const SimFault& fault);

struct SimTarget {
    HttpClient& http;
    std::string control_url;
};
// Each answers with the provider's document afterwards: its fault and its counters.
Result<Json> set_fault(const SimTarget& sim, const std::string& provider, const SimFault& fault,
                       Deadline deadline);
Result<Json> clear_fault(const SimTarget& sim, const std::string& provider, Deadline deadline);
// {"items": [{"name", "fault", ...counters}]}
Result<Json> list_faults(const SimTarget& sim, Deadline deadline);

} // namespace conduit::local
