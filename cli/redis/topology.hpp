// SPDX-License-Identifier: Apache-2.0
// Changing who is master, and taking a node back into its Cluster. Decisions are made from the views of all
// nodes; what is done is looked at afterwards with all of them again.
#pragma once

#include "cli/redis/nodes.hpp"
#include "core/cancel.hpp"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace conduit::redis {

// By its address, the beginning of its id (4 letters or more) or its host name; not_found names the nodes.
Result<const ClusterView*> find_view(const std::vector<ClusterView>& views, const std::string& name);
// The address that is known of a node, else the beginning of its id.
std::string address_of(const std::vector<ClusterView>& views, const std::string& id);

struct FailoverPlan {
    std::string replica, replica_address;
    std::string master, master_address;
    bool force = false; // its master is away: what it did not copy is lost
    std::vector<std::pair<std::string, std::string>> lines; // for the plan
};
// refused: it is no replica, or the way does not fit the state; never a takeover, which asks nobody.
Result<FailoverPlan> plan_failover(const std::vector<ClusterView>& views, const std::string& node,
                                   bool force);
// Sent, and taken by the replica. sent: called once it has left.
Result<> start_failover(RedisServers& servers, const FailoverPlan& plan, const std::function<void()>& sent,
                        Deadline deadline);

struct RejoinPlan {
    std::string node, address;                               // its id, and where it is
    std::string master, master_address;                      // whom it is to follow
    std::vector<std::string> others;                         // addresses of the nodes that answer
    std::vector<std::pair<std::string, std::uint16_t>> meet; // address and bus port
    std::vector<std::string> forget; // ids: its own, and dead entries of the same address
    std::string nodes_before;        // what the node held, as its nodes.conf does
    std::vector<std::pair<std::string, std::string>> lines;
};
// refused: it owns slots, others follow it, it may hold the only copy, or the rest is not whole without it.
Result<RejoinPlan> plan_rejoin(const std::vector<ClusterView>& views, const std::string& node,
                               const std::string& master);
// partial: it was forgotten or reset and is not back yet.
Result<> rejoin(RedisServers& servers, const RejoinPlan& plan, const std::function<void()>& sent,
                const Cancel& cancel, Deadline deadline);

using Waiting = std::function<void(const std::string&)>;
// Until every node that answers says so, and the replica has its data; unverified when the time is up.
Result<> wait_failover(RedisServers& servers, const FailoverPlan& plan, const Waiting& waiting,
                       const Cancel& cancel, Deadline deadline);
Result<> wait_rejoined(RedisServers& servers, const RejoinPlan& plan, const Waiting& waiting,
                       const Cancel& cancel, Deadline deadline);

// Asks again every moment until there is nothing left to say.
Result<> poll_until(const std::function<Result<std::string>()>& missing, const Waiting& waiting,
                    const Cancel& cancel, Deadline deadline);

} // namespace conduit::redis
