// SPDX-License-Identifier: Apache-2.0
// A save is done when the time of the last one is later than before, not when it has begun.
#pragma once

#include "cli/redis/reach.hpp"
#include "cli/redis/topology.hpp"

namespace conduit::redis {

struct Saved {
    std::string node;
    std::int64_t before = 0, after = 0; // LASTSAVE, seconds since 1970
};
// On every master. failed: a server says that its save failed; unknown: it was begun and not seen to end.
Result<std::vector<Saved>> save(const Masters& masters, const std::function<void()>& sent,
                                const Waiting& waiting, const Cancel& cancel, Deadline deadline);
Result<> check_saved(const Masters& masters, const std::vector<Saved>& saved, Deadline deadline);

} // namespace conduit::redis
