// SPDX-License-Identifier: Apache-2.0
// All servers that a question is for: one, or the nodes of a Cluster.
#pragma once

#include "cli/redis/nodes.hpp"

#include <memory>
#include <string>
#include <vector>

namespace conduit::redis {

struct Reached {
    std::string address;
    std::unique_ptr<RedisSession> server; // null: it did not answer
    Error error;                          // why
};
// The server that the context names; of a Cluster every node. The first must answer.
Result<std::vector<Reached>> reach_nodes(RedisServers& servers, Deadline deadline);

struct Masters {
    bool cluster = false;
    std::vector<std::unique_ptr<RedisSession>> servers;
};
// Those that hold all keys together. refused: it is a replica (the master is named), or slots have no owner;
// unreachable: one of them does not answer, so that nothing can be said of all keys.
Result<Masters> reach_masters(RedisServers& servers, Deadline deadline);

} // namespace conduit::redis
