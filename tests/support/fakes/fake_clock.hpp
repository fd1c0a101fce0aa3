// SPDX-License-Identifier: Apache-2.0
// A clock that a test moves.
#pragma once

#include "core/clock.hpp"

#include <atomic>

namespace conduit::test {

class FakeClock final : public Clock {
  public:
    WallTime now() const override { return WallTime(Duration(wall_ms_.load())); }
    SteadyTime steady() const override { return SteadyTime(Duration(steady_ms_.load())); }
    void sleep(Duration duration) override { advance(duration); }
    void advance(Duration duration)
    {
        wall_ms_ += duration.count();
        steady_ms_ += duration.count();
    }

  private:
    std::atomic<std::int64_t> wall_ms_{1'795'000'000'000};
    std::atomic<std::int64_t> steady_ms_{1'000'000};
};

} // namespace conduit::test
