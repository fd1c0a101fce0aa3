// SPDX-License-Identifier: Apache-2.0
// A request to stop, set by Ctrl-C or SIGTERM and looked at between steps and inside waits.
#pragma once

#include <atomic>

namespace conduit {

class Cancel {
  public:
    bool requested() const { return requested_.load(std::memory_order_relaxed); }
    void request() { requested_.store(true, std::memory_order_relaxed); }
    void clear() { requested_.store(false, std::memory_order_relaxed); }
    // A change has been sent and is not recorded as ended: whoever insists on stopping leaves it so.
    bool standing() const { return standing_.load(std::memory_order_relaxed); }
    void set_standing(bool standing) { standing_.store(standing, std::memory_order_relaxed); }

  private:
    std::atomic<bool> requested_{false};
    std::atomic<bool> standing_{false};
};

} // namespace conduit
