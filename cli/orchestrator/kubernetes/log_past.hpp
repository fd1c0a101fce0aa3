// SPDX-License-Identifier: Apache-2.0
// The lines that containers have written until now, merged by time.
#pragma once

#include "cli/orchestrator/kubernetes/log_source.hpp"
#include "cli/orchestrator/pattern.hpp"
#include "core/cancel.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace conduit::kubernetes {

using LogStamps = std::map<LogSource, std::string>; // the time of the last line that was read of each

// false of the sink ends it well; then `enough` is set. unknown: a log broke off in the middle.
struct PastLogs {
    LogStamps last;
    bool enough = false;
};
Result<PastLogs> past_logs(WorkloadApi& workloads, const std::vector<LogSource>& from, const LogQuery& query,
                           const Pattern& pattern, const LogSink& sink, Deadline deadline);

// Whole lines out of pieces, without their ends; one that is longer than a MiB comes in parts.
class LineCutter {
  public:
    // false: `take` wants no more.
    bool feed(std::string_view piece, const std::function<bool(std::string_view line)>& take);
    std::string_view rest() const { return rest_; } // a last line without an end

  private:
    std::string rest_;
};

} // namespace conduit::kubernetes
