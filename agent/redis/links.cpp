// SPDX-License-Identifier: Apache-2.0
#include "agent/redis/links.hpp"

#include <algorithm>

namespace conduit::agent {

RedisState RedisLinks::state() const
{
    auto sum = reads.state();
    for (const auto& other : {writes.state(), limits.state()}) {
        if (other.up != sum.up ? !other.up : other.since > sum.since)
            sum.since = other.since; // away since the first that is; up since the last
        if (!other.up && sum.up)
            sum.where = other.where;
        sum.up = sum.up && other.up;
        if (sum.error.empty())
            sum.error = other.error;
        sum.commands += other.commands;
        sum.errors += other.errors;
        sum.timeouts += other.timeouts;
        sum.skipped += other.skipped;
        sum.connects += other.connects;
        sum.seconds += other.seconds;
    }
    return sum;
}

} // namespace conduit::agent
