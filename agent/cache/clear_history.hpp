// SPDX-License-Identifier: Apache-2.0
// Which entries of the shared store a clear has ended. A clear is a revision of the control state, its mark,
// and every entry carries the newest mark that its maker knew. So an entry is dead from the moment that a
// replica knows of the clear, whether its key could be removed from Redis or not: Redis may have been away.
//
// A replica knows the clears that it has seen itself. An entry from before them is not used, for one of those
// that it did not see may have ended it; that costs a miss, never an old answer.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::agent {

struct Snapshot;

struct ClearMark {
    std::uint64_t revision = 0; // of the control state; 0: nothing was ever cleared
    std::uint64_t epoch = 0;    // counts clears, so that one that was never seen shows
    std::string prefix;
};
ClearMark clear_mark(const Snapshot& snapshot);

class ClearHistory { // thread-safe
  public:
    enum class News : std::uint8_t { none, clear, gap };
    // gap: others went before it that were not seen, so that everything must go.
    News note(const ClearMark& mark);
    // May an entry made at `made` be given to a request that knows of `now`?
    bool alive(std::string_view key, std::uint64_t made, std::uint64_t now) const;

  private:
    mutable std::mutex mutex_;
    bool begun_ = false;
    std::uint64_t floor_ = 0; // entries from before it: unknown
    ClearMark last_;
    std::vector<ClearMark> seen_; // since the floor, oldest first
};

} // namespace conduit::agent
