// SPDX-License-Identifier: Apache-2.0
#include "agent/cache/clear_history.hpp"

#include "agent/control/snapshot.hpp"

#include <algorithm>
#include <utility>

namespace conduit::agent {
namespace {

constexpr std::size_t k_most = 64; // clears that are remembered

} // namespace

ClearMark clear_mark(const Snapshot& snapshot)
{
    const auto found = snapshot.state.overrides.find("cache/clear");
    const auto revision = found == snapshot.state.overrides.end() ? 0 : found->second.revision;
    return {revision, snapshot.cache_clear.epoch, snapshot.cache_clear.prefix};
}

ClearHistory::News ClearHistory::note(const ClearMark& mark)
{
    const std::scoped_lock lock(mutex_);
    if (!begun_) {
        begun_ = true;
        floor_ = mark.revision;
        last_ = mark;
        return News::none;
    }
    if (mark.revision == last_.revision)
        return News::none;
    const bool next = mark.revision > last_.revision && mark.epoch == last_.epoch + 1;
    const auto before = std::exchange(last_, mark).revision;
    if (next && seen_.size() < k_most) {
        seen_.push_back(mark);
        return News::clear;
    }
    floor_ = std::max({floor_, before, mark.revision});
    seen_.clear();
    return next ? News::clear : News::gap;
}

// A mark from the future is of another life of the control state, or of a replica that knows more than we do:
// either way the answer is made anew, at most until we have caught up.
bool ClearHistory::alive(std::string_view key, std::uint64_t made, std::uint64_t now) const
{
    if (made == now)
        return true;
    if (made > now)
        return false;
    const std::scoped_lock lock(mutex_);
    if (made < floor_)
        return false;
    return std::ranges::none_of(seen_, [&](const ClearMark& clear) {
        return clear.revision > made && key.starts_with(clear.prefix);
    });
}

} // namespace conduit::agent
