// SPDX-License-Identifier: Apache-2.0
// New lines of containers, over restarts of containers and of the API server, and of pods that come later.
#pragma once

#include "cli/orchestrator/kubernetes/log_past.hpp"

namespace conduit::kubernetes {

// Goes on behind `last` until the sink, the time or a stop (interrupted) ends it.
Result<> follow_logs(WorkloadApi& workloads, const LogQuery& query, const Pattern& pattern, LogStamps last,
                     const LogSink& sink, const Cancel& cancel, Deadline deadline);

} // namespace conduit::kubernetes
