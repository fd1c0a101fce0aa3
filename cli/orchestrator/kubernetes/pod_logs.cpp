// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/pod_logs.hpp"

#include "cli/orchestrator/kubernetes/log_follow.hpp"

namespace conduit::kubernetes {

Result<> pod_logs(WorkloadApi& workloads, const LogQuery& query, const LogSink& sink, const Cancel& cancel,
                  Deadline deadline)
{
    TRY_ASSIGN(const auto pattern, Pattern::compile(query.grep));
    TRY_ASSIGN(const auto from, log_sources(workloads, query, deadline));
    TRY_ASSIGN(auto past, past_logs(workloads, from, query, pattern, sink, deadline));
    if (past.enough)
        return {};
    if (cancel.requested())
        return fail(ErrorKind::interrupted, "stopped");
    if (!query.follow)
        return {};
    return follow_logs(workloads, query, pattern, std::move(past.last), sink, cancel, deadline);
}

} // namespace conduit::kubernetes
