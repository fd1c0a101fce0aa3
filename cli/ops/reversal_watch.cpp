// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/reversal_watch.hpp"

#include <algorithm>

namespace conduit::ops {
namespace {

constexpr Duration k_first_pause{10'000};
constexpr Duration k_longest_pause{300'000};
constexpr Duration k_beat{30'000};

} // namespace

bool ReversalWatch::should_serve(std::span<const Reversal> reversals, WallTime now)
{
    std::map<std::string, Tried> still; // what is gone is forgotten
    bool serve = false;
    for (const auto& reversal : reversals) {
        if (reversal.state != "pending" || reversal.due > now)
            continue;
        const auto known = tried_.find(reversal.operation);
        auto tried = known != tried_.end() && known->second.due == reversal.due
                         ? known->second
                         : Tried{.due = reversal.due, .next = now};
        serve = serve || tried.next <= now;
        still.emplace(reversal.operation, tried);
    }
    tried_ = std::move(still);
    if (serve)
        for (auto& [operation, tried] : tried_) {
            tried.pause = std::clamp(tried.pause * 2, k_first_pause, k_longest_pause);
            tried.next = now + tried.pause;
        }
    return serve;
}

bool ReversalWatch::should_beat(WallTime now)
{
    // A clock that was set back must not silence it.
    if (beaten_ && now >= *beaten_ && now - *beaten_ < k_beat)
        return false;
    beaten_ = now;
    return true;
}

} // namespace conduit::ops
