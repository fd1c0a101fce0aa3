// SPDX-License-Identifier: Apache-2.0
// Faults of the simulated providers, set through the simulator's control address.
#pragma once

#include "core/clock.hpp"
#include "core/http.hpp"
#include "core/json.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace conduit::local {

struct SimFault { // what is set is added to the fault there is
    bool down = false;
    bool throttle = false;
    bool hang = false;
    bool reset = false;
    bool quota_exhausted = false;
    bool bad_credentials = false;
    std::optional<double> error_rate; // 0..1
    std::optional<Duration> latency;
    std::optional<Duration> first_byte;
    std::optional<Duration> retry_after;
    std::optional<int> status;
    std::optional<std::uint64_t> cut_after_bytes;
    std::optional<std::uint64_t> fail_next;
    std::optional<Duration> expires; // ends by itself

    bool any() const; // besides expires
};
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
