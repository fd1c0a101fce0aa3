// SPDX-License-Identifier: Apache-2.0
// A clock that stands still until it is moved; sleep moves it.
#pragma once

#include "core/clock.hpp"

namespace conduit::test {

class TestClock final : public Clock {
  public:
    // 2026-11-22T14:04:11Z
    WallTime wall{std::chrono::milliseconds(1'795'356'251'000)};
    SteadyTime ticks{std::chrono::hours(1)};

    WallTime now() const override { return wall; }
    SteadyTime steady() const override { return ticks; }
    void sleep(Duration duration) override { advance(duration); }
    void advance(Duration duration)
    {
        wall += duration;
        ticks += duration;
    }
};

} // namespace conduit::test
