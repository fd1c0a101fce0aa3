// SPDX-License-Identifier: Apache-2.0
// A failover by sentinels: they choose the replica and tell the others; we ask, and look with all of them.
#pragma once

#include "cli/redis/topology.hpp"

namespace conduit::redis {

struct SentinelView {
    std::string sentinel;
    std::string error;  // why it did not answer
    std::string master; // "10.1.2.3:6379"
    std::string flags;  // "master", "master,o_down"
    std::int64_t quorum = 0, others = 0;
    std::string quorum_problem; // of SENTINEL CKQUORUM
    struct Replica {
        std::string address, flags, link;
        std::int64_t offset = 0, priority = 100;
        bool usable() const { return flags == "slave" && link == "ok" && priority > 0; }
    };
    std::vector<Replica> replicas;
};
// refused: the context names no sentinel.
Result<std::vector<SentinelView>> read_sentinels(RedisServers& servers, Deadline deadline);

struct SentinelPlan {
    std::string name;     // of the master, "mymaster"
    std::string sentinel; // that is asked
    std::string old_master;
    std::vector<std::pair<std::string, std::string>> lines;
};
// refused: they do not agree, have no majority, or know no replica that could be promoted.
Result<SentinelPlan> plan_sentinel_failover(const std::vector<SentinelView>& views, const std::string& name);
Result<> start_sentinel_failover(RedisServers& servers, const SentinelPlan& plan,
                                 const std::function<void()>& sent, Deadline deadline);
// Until all sentinels name another master, and it and the old one say so themselves.
Result<> wait_sentinel_failover(RedisServers& servers, const SentinelPlan& plan, const Waiting& waiting,
                                const Cancel& cancel, Deadline deadline);

} // namespace conduit::redis
