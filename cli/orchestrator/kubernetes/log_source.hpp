// SPDX-License-Identifier: Apache-2.0
// Containers whose logs are read, and a line of theirs.
#pragma once

#include "cli/orchestrator/kubernetes/workload_api.hpp"
#include "core/kube/api.hpp"

#include <compare>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::kubernetes {

struct LogSource {
    std::string pod, container;
    bool previous = false; // of the container that ended before the one that runs
    auto operator<=>(const LogSource&) const = default;
};

// The containers that a query names. not_found names the nearest instance or workload.
Result<std::vector<LogSource>> log_sources(WorkloadApi& workloads, const LogQuery& query, Deadline deadline);
std::string log_path(const WorkloadApi& workloads, const LogSource& source, kube::Query query);

// A line as the API server gives it: its time, a blank, the text. Views into that line.
struct StampedLine {
    std::string_view stamp; // of nine digits and UTC, so that text order is time order; "" when there is none
    std::string_view text;
};
StampedLine stamped(std::string_view line);

} // namespace conduit::kubernetes
