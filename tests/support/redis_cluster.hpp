// SPDX-License-Identifier: Apache-2.0
// A real Cluster of redis-server processes: masters with all slots, and a replica of each.
#pragma once

#include "tests/support/redis_server.hpp"

#include <memory>
#include <string>
#include <vector>

namespace conduit::test {

class RedisCluster {
  public:
    explicit RedisCluster(int masters = 3, bool replicas = true);
    RedisServer& node(int n) { return *nodes_[static_cast<std::size_t>(n)]; }
    int size() const { return static_cast<int>(nodes_.size()); }
    int masters() const { return masters_; }
    std::string address(int n) { return "127.0.0.1:" + std::to_string(node(n).port()); }
    std::string id(int n);
    bool eventually_ok(); // by the word of every node, replicas in step
    bool wait_ok(const std::vector<int>& nodes);
    std::int64_t keys(); // of all masters
    std::string role(int n);

  private:
    int masters_;
    std::vector<std::unique_ptr<RedisServer>> nodes_;
};

} // namespace conduit::test
