// SPDX-License-Identifier: Apache-2.0
// Redis servers in memory, behind the CLI's interface: one, a master with sentinels, or a Cluster of three
// masters and a replica. The few commands that the verbs use, answered as the real one does
// (tests/contract/redis_store).
#pragma once

#include "cli/backend/redis.hpp"
#include "core/cancel.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace conduit::test {

struct FakeRedisNode {
    std::string id;
    std::string master; // the id it follows; "" of a master
    std::string link = "up";
    std::string slots; // "0-5460"
    std::map<std::string, std::string> keys;
    std::map<std::string, std::string> config{{"maxmemory", "0"},
                                              {"maxmemory-policy", "noeviction"},
                                              {"maxclients", "10000"},
                                              {"slowlog-log-slower-than", "10000"},
                                              {"requirepass", "sesame"}};
    std::int64_t saved = 1'000;
    bool known = true; // by the others
};

class FakeRedisStore {
  public:
    using Words = std::vector<std::string>;
    FakeRedisStore() { nodes["10.0.0.1:6379"].id = std::string(40, 'a'); }

    void make_cluster(); // 10.0.0.1 to 10.0.0.3 with all slots, 10.0.0.4 follows the first
    std::unique_ptr<RedisServers> servers();

    std::map<std::string, FakeRedisNode> nodes; // by address; the first is the one that is named
    bool cluster = false;
    std::vector<std::string> sentinels;
    std::string sentinel_master = "10.0.0.1:6379";
    std::string sentinel_replica;        // "" for none
    std::map<std::string, Error> faults; // by the command ("UNLINK", "CLUSTER RESET"), "*" for all
    std::function<void(const std::string& address, const Words&)> before;
    const Cancel* cancel = nullptr;
    std::vector<std::string> commands; // that were given, "CLUSTER FORGET"

    Result<redis::Reply> answer(const std::string& address, const Words& words);

  private:
    redis::Reply info(const FakeRedisNode& node) const;
    redis::Reply scan(const FakeRedisNode& node, const Words& words);
    redis::Reply keyspace(FakeRedisNode& node, const Words& words);
    redis::Reply administration(FakeRedisNode& node, const Words& words);
    redis::Reply cluster_command(FakeRedisNode& node, const Words& words);
    redis::Reply sentinel_command(const Words& words);
    std::string node_lines(const FakeRedisNode& self) const;
    std::vector<std::string> cursors_; // of SCAN, the key that each stands behind
};

} // namespace conduit::test
