// SPDX-License-Identifier: Apache-2.0
#include "tests/support/redis_cluster.hpp"

#include "tests/support/wait.hpp"

#include <fmt/format.h>
#include <stdexcept>

namespace conduit::test {
namespace {

constexpr int k_slots = 16'384;

void must(const redis::Reply& reply)
{
    if (reply.is_error())
        throw std::runtime_error("redis: " + reply.text);
}

} // namespace

RedisCluster::RedisCluster(int masters, bool replicas) : masters_(masters)
{
    std::vector<std::uint16_t> buses;
    const int count = replicas ? masters * 2 : masters;
    for (int i = 0; i < count; ++i) {
        buses.push_back(free_port());
        nodes_.push_back(std::make_unique<RedisServer>(std::vector<std::string>{
            "--cluster-enabled", "yes", "--cluster-port", std::to_string(buses.back()),
            "--cluster-node-timeout", "1000", "--cluster-config-file", "nodes.conf",
            "--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"}));
        must(node(i).run({"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)}));
    }
    for (int i = 0; i < masters; ++i)
        must(node(i).run({"CLUSTER", "ADDSLOTSRANGE", std::to_string(k_slots * i / masters),
                          std::to_string(k_slots * (i + 1) / masters - 1)}));
    for (int i = 1; i < count; ++i)
        must(node(0).run({"CLUSTER", "MEET", "127.0.0.1", std::to_string(node(i).port()),
                          std::to_string(buses[static_cast<std::size_t>(i)])}));
    for (int i = masters; i < count; ++i) {
        const auto master = id(i - masters);
        if (!eventually([&] { return !node(i).run({"CLUSTER", "REPLICATE", master}).is_error(); }))
            throw std::runtime_error("a replica did not meet its master");
    }
    if (!eventually_ok())
        throw std::runtime_error("the Cluster did not come up");
}

std::string RedisCluster::id(int n)
{
    return node(n).run({"CLUSTER", "MYID"}).text;
}

bool RedisCluster::wait_ok(const std::vector<int>& nodes)
{
    return eventually(
        [&] {
            for (const int n : nodes) {
                const auto info = node(n).run({"CLUSTER", "INFO"}).text;
                const auto list = node(n).run({"CLUSTER", "NODES"}).text;
                const auto replication = node(n).run({"INFO", "replication"}).text;
                if (!info.contains("cluster_state:ok") || list.contains("handshake") ||
                    list.contains("fail?") || replication.contains("master_link_status:down"))
                    return false;
                int known = 0;
                for (int i = 0; i < size(); ++i)
                    known += list.contains(fmt::format(":{}@", node(i).port())) ? 1 : 0;
                if (known != size())
                    return false;
            }
            return true;
        },
        std::chrono::seconds(30));
}

bool RedisCluster::eventually_ok()
{
    std::vector<int> all;
    for (int i = 0; i < size(); ++i)
        all.push_back(i);
    return wait_ok(all);
}

std::string RedisCluster::role(int n)
{
    return node(n).run({"ROLE"}).items.at(0).text;
}

std::int64_t RedisCluster::keys()
{
    std::int64_t sum = 0;
    for (int i = 0; i < size(); ++i)
        if (role(i) == "master")
            sum += node(i).run({"DBSIZE"}).integer;
    return sum;
}

} // namespace conduit::test
