// SPDX-License-Identifier: Apache-2.0
// Time as a dependency: the real clock, and in tests a fake one.
#pragma once

#include "core/duration.hpp"
#include "core/result.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace conduit {

using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;
using SteadyTime = std::chrono::steady_clock::time_point;

class Clock {
  public:
    virtual ~Clock() = default;
    virtual WallTime now() const = 0;
    virtual SteadyTime steady() const = 0;
    virtual void sleep(Duration duration) = 0; // only pollers with a deadline may call this
};

Clock& system_clock();

std::string format_time(WallTime time);       // RFC 3339, UTC, milliseconds: 2026-11-22T14:04:11.532Z
std::string format_time_short(WallTime time); // "14:04:11 UTC"
Result<WallTime> parse_time(std::string_view text);

// A point in steady time after which nobody waits any longer.
class Deadline {
  public:
    explicit Deadline(Duration from_now) : at_(std::chrono::steady_clock::now() + from_now) {}
    static Deadline never();
    bool passed() const { return std::chrono::steady_clock::now() >= at_; }
    Duration left() const; // never negative
    SteadyTime at() const { return at_; }
    Deadline sooner(Duration from_now) const; // the earlier of the two

  private:
    explicit Deadline(SteadyTime at) : at_(at) {}
    SteadyTime at_;
};

} // namespace conduit
