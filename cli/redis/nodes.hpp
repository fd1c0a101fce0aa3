// SPDX-License-Identifier: Apache-2.0
// A Cluster as its nodes tell it: CLUSTER NODES, whose answer differs from node to node when they disagree.
#pragma once

#include "cli/backend/redis.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace conduit::redis {

inline constexpr std::uint16_t k_slots = 16'384;

// Of a key: CRC16 of what stands in its first {...}, if that is not empty.
std::uint16_t slot_of(std::string_view key);

struct SlotRange {
    std::uint16_t first = 0, last = 0; // both included
    bool operator==(const SlotRange&) const = default;
};

struct ClusterNode {
    std::string id;
    std::string address; // "10.1.2.3:6379"; "" when it has none (noaddr)
    std::string host_name;
    std::uint16_t bus_port = 0;     // where the nodes talk among themselves
    std::vector<std::string> flags; // without "myself"
    std::string master;             // its id; "" of a master
    std::uint64_t epoch = 0;
    bool myself = false;
    bool linked = false; // the node that was asked has a connection to it
    std::vector<SlotRange> slots;
    std::vector<std::string> moving; // "[93->-id]": a slot that is being moved
    bool has(std::string_view flag) const;
    bool is_master() const { return has("master"); }
    bool failing() const { return has("fail") || has("fail?") || has("noaddr"); }
    int slot_count() const;
};

// unknown: it is not what a node answers.
Result<std::vector<ClusterNode>> parse_nodes(std::string_view text);
std::string slots_text(const std::vector<SlotRange>& slots); // "0-5460, 9000"

// What one node says.
struct ClusterView {
    std::string address; // asked there
    std::string error;   // why it did not answer; the rest is empty then
    std::string id;
    std::string state; // cluster_state: "ok"
    std::uint64_t current_epoch = 0;
    std::string role;              // by INFO: "master", "slave"
    std::string link;              // master_link_status of a replica
    std::uint64_t offset = 0;      // of the replication, to be compared within a shard
    std::int64_t link_down_s = -1; // for how long the link to the master has been down
    std::uint64_t keys = 0;
    std::vector<ClusterNode> nodes;
    const ClusterNode* find(std::string_view id) const;
    const ClusterNode* self() const { return find(id); }
};

// Asks the node that the context names, and all nodes that it and they know of, until none is new. The first
// must answer and be of a Cluster; refused otherwise.
Result<std::vector<ClusterView>> read_views(RedisServers& servers, Deadline deadline);
Result<ClusterView> read_view(RedisSession& server, const std::string& address, Deadline deadline);

struct ClusterFinding {
    bool bad = true; // false: worth knowing
    bool split = false;
    std::string what; // "10.0.0.2:6379 and 10.0.0.5:6379 both claim slots 0-5460"
};
struct ClusterVerdict {
    std::string state; // "ok", "degraded", "split"
    int masters = 0;   // with slots, by the majority's word
    int replicas = 0;
    int covered = 0; // slots with exactly one owner
    std::vector<ClusterFinding> findings;
    bool ok() const { return state == "ok"; }
};
// Several masters are normal: a split is that nodes disagree about who owns a slot, or who belongs together.
ClusterVerdict judge(const std::vector<ClusterView>& views);

} // namespace conduit::redis
