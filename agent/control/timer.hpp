// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/clock.hpp"

namespace conduit::agent {

// Due at once, then after each interval.
class Timer {
  public:
    explicit Timer(Duration interval) : interval_(interval) {}
    bool due()
    {
        const auto now = std::chrono::steady_clock::now();
        if (now < next_)
            return false;
        next_ = now + interval_;
        return true;
    }

  private:
    Duration interval_;
    std::chrono::steady_clock::time_point next_{};
};

} // namespace conduit::agent
