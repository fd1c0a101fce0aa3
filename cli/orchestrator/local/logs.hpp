// SPDX-License-Identifier: Apache-2.0
// The log files of a local folder, rotated ones included, read oldest line first and followed over rotations.
#pragma once

#include "cli/orchestrator/local/layout.hpp"
#include "cli/orchestrator/orchestrator.hpp"

namespace conduit::local {

// Instances that have a log, in order; the supervisor's own is not among them.
std::vector<std::string> logged_instances(const Layout& layout);
std::string workload_of(std::string_view instance); // "agent-2" -> "agent"
// When the line says so itself: JSON with "time", "ts" or "timestamp", or a leading RFC 3339 time.
std::optional<WallTime> line_time(std::string_view line);

Result<> read_logs(const Layout& layout, const LogQuery& query, const LogSink& sink, const Cancel& cancel,
                   Deadline deadline);

} // namespace conduit::local
