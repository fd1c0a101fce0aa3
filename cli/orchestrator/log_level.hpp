// SPDX-License-Identifier: Apache-2.0
// How bad a line of a log is, by its own word: JSON ("level":"error"), logfmt (level=error), a word of its
// own (ERROR, [warn]), .NET's console (fail:, crit:), klog (E1122 14:00:00), syslog's numbers.
#pragma once

#include "cli/orchestrator/orchestrator.hpp"

#include <map>
#include <string>
#include <string_view>

namespace conduit {

LogLevel level_of(std::string_view line); // none: it does not say

// Of one stream of lines after the other. What follows a line without a word of its own and is indented, or
// goes on with a stack trace, belongs to it.
class LevelFilter {
  public:
    explicit LevelFilter(LogLevel least) : least_(least) {}
    bool keeps(std::string_view line);

  private:
    LogLevel least_;
    bool kept_ = false;
};

} // namespace conduit
