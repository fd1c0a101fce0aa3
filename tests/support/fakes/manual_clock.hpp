// SPDX-License-Identifier: Apache-2.0
// A clock that stands still until a test moves it; sleeping moves it.
#pragma once

#include "core/clock.hpp"

namespace conduit::test {

class ManualClock final : public Clock {
  public:
    explicit ManualClock(std::string_view start = "2026-11-22T14:04:00Z") : now_(*parse_time(start)) {}
    WallTime now() const override { return now_; }
    SteadyTime steady() const override { return steady_; }
    void sleep(Duration duration) override { advance(duration); }
    void advance(Duration duration)
    {
        now_ += duration;
        steady_ += duration;
    }

  private:
    WallTime now_;
    SteadyTime steady_{};
};

} // namespace conduit::test
