// SPDX-License-Identifier: Apache-2.0
// The lines of one container on their way from the thread that reads them to the one that merges. What waits
// in between is bounded, so that a log may be larger than the memory.
#pragma once

#include "cli/orchestrator/kubernetes/log_source.hpp"
#include "core/result.hpp"

#include <condition_variable>
#include <deque>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace conduit::kubernetes {

class LogFeed {
  public:
    // limit: bytes; a reader that is ahead by more waits.
    explicit LogFeed(std::size_t limit = std::numeric_limits<std::size_t>::max()) : limit_(limit) {}

    // The reader's side. lines: whole ones, each with its '\n'. false: nobody wants more.
    bool push(std::string lines);
    void end(Result<> how = {});

    // The merger's side. Waits for a line; false at the end.
    bool next();
    const StampedLine& line() const { return line_; } // until the next next()
    // The time of the last line that had one: a line without belongs to the one before it.
    const std::string& stamp() const { return stamp_; }
    const Result<>& how() const { return how_; } // once next() was false
    void stop();

  private:
    bool refill();

    const std::size_t limit_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::string> waiting_;
    std::size_t bytes_ = 0; // in waiting_
    bool ended_ = false, stopped_ = false;
    Result<> how_;
    std::string current_; // the merger's alone
    std::size_t at_ = 0;
    StampedLine line_;
    std::string stamp_;
};

} // namespace conduit::kubernetes
