// SPDX-License-Identifier: Apache-2.0
// A real Cluster: what its nodes say, who is promoted, and who is taken back.
#include "tests/integration/redis/world.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/redis_cluster.hpp"
#include "tests/support/wait.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::test;

namespace {

// Shared by the tests that leave it as they found it.
RedisCluster& shared_cluster()
{
    static RedisCluster cluster;
    return cluster;
}

Json checked(RedisWorld& world, int expected)
{
    const auto result = world.run({"redis", "cluster", "check", "-o", "json"});
    INFO(result.out << result.err);
    CHECK(result.code == expected);
    return parse_json(result.out).value();
}

std::string node_of(const std::string& nodes, const std::string& id)
{
    const auto at = nodes.find(id);
    return at == std::string::npos ? "" : nodes.substr(at, nodes.find('\n', at) - at);
}

} // namespace

TEST_CASE("a Cluster with three masters is no split: every node is asked, and they agree")
{
    if (redis_missing())
        return;
    auto& cluster = shared_cluster();
    RedisWorld world(cluster.node(4).settings_tcp());
    const auto data = checked(world, 0);
    CHECK(data["state"] == "ok");
    CHECK(data["masters"] == 3);
    CHECK(data["replicas"] == 3);
    CHECK(data["covered"] == 16'384);
    CHECK(data["items"].size() == 6);
    const auto status = world.run({"redis", "cluster", "status"});
    CHECK(status.code == 0);
    for (int n = 0; n < 6; ++n)
        CHECK(status.out.contains(cluster.address(n)));
    const auto ping = world.run({"redis", "ping"});
    INFO(ping.out << ping.err);
    CHECK(ping.code == 0);
    for (int n = 0; n < 6; ++n)
        CHECK(ping.out.contains(cluster.address(n)));
}

TEST_CASE("nodes that disagree who has a slot are a split, though each alone says that all is well")
{
    if (redis_missing())
        return;
    RedisCluster cluster(3, false);
    // One node is told of another owner: as after a partition, each is sure of its own map.
    const auto mine = cluster.id(0), theirs = cluster.id(1);
    REQUIRE_FALSE(cluster.node(2).run({"CLUSTER", "SETSLOT", "0", "NODE", theirs}).is_error());
    RedisWorld world(cluster.node(0).settings_tcp());
    const auto data = checked(world, 13);
    CHECK(data["state"] == "split");
    bool found = false;
    for (const auto& one : data["findings"])
        found = found || (one["level"] == "split" && one["what"].get<std::string>().contains("slot 0"));
    CHECK(found);
}

TEST_CASE("a node that is away is found, and the Cluster is called degraded")
{
    if (redis_missing())
        return;
    RedisCluster cluster(3, false);
    cluster.node(2).kill(SIGKILL);
    RedisWorld world(cluster.node(0).settings_tcp());
    const auto data = checked(world, 13);
    CHECK(data["state"] == "degraded");
    CHECK(world.run({"redis", "cluster", "status"}).code == 12);
}

TEST_CASE("a single server has no Cluster to check")
{
    if (redis_missing())
        return;
    RedisServer server;
    RedisWorld world(server.settings());
    CHECK(world.run({"redis", "cluster", "check"}).code == 3);
}

TEST_CASE(
    "a replica is promoted gracefully and every node sees it; a master is not promoted, and nothing by force")
{
    if (redis_missing())
        return;
    RedisCluster cluster;
    RedisWorld world(cluster.node(1).settings_tcp());
    const auto fail_over = [&](const std::string& node, std::vector<std::string> more = {}) {
        std::vector<std::string> words{"redis", "cluster", "failover", node, "-y"};
        words.insert(words.end(), more.begin(), more.end());
        return world.run(words);
    };
    const auto master = fail_over(cluster.address(0));
    CHECK(master.code == 3); // and its replica is named
    CHECK(master.err.contains(cluster.address(3)));
    // FORCE would lose writes for nothing while the master answers.
    CHECK(fail_over(cluster.address(3), {"--mode", "force", "--confirm", cluster.address(3), "--reason", "x"})
              .code == 3);
    CHECK(cluster.role(3) == "slave");
    CHECK(fail_over("127.0.0.1:1").code == 4);

    const auto done = fail_over(cluster.address(3));
    INFO(done.out << done.err);
    CHECK(done.code == 0);
    CHECK(cluster.role(3) == "master");
    CHECK(cluster.role(0) == "slave");
    checked(world, 0);
}

TEST_CASE("a master that is away is replaced by force, after what may be lost was shown")
{
    if (redis_missing())
        return;
    RedisCluster cluster;
    // Nobody is promoted by itself: a person has to.
    for (int n = 3; n < 6; ++n)
        cluster.node(n).run({"CONFIG", "SET", "cluster-replica-no-failover", "yes"});
    cluster.node(0).kill(SIGKILL);
    REQUIRE(eventually([&] {
        return node_of(cluster.node(1).run({"CLUSTER", "NODES"}).text,
                       fmt::format("127.0.0.1:{}@", cluster.node(0).port()))
            .contains("fail ");
    }));
    RedisWorld world(cluster.node(1).settings_tcp());
    const auto node = cluster.address(3);
    const auto graceful = world.run({"redis", "cluster", "failover", node, "-y"});
    CHECK(graceful.code == 3);
    CHECK(graceful.err.contains("--mode force"));
    const auto planned = world.run({"redis", "cluster", "failover", node, "--mode", "force", "--dry-run"});
    INFO(planned.out << planned.err);
    CHECK((planned.out + planned.err).contains("had not copied at offset"));
    CHECK(cluster.role(3) == "slave");
    const auto done = world.run(
        {"redis", "cluster", "failover", node, "--mode", "force", "--confirm", node, "--reason", "drill"});
    INFO(done.out << done.err);
    CHECK(done.code == 0);
    CHECK(cluster.role(3) == "master");
}

TEST_CASE("a node with slots, or with the only copy, is not reset")
{
    if (redis_missing())
        return;
    auto& cluster = shared_cluster();
    RedisWorld world(cluster.node(1).settings_tcp());
    const auto rejoin = [&](int n) {
        return world.run({"redis", "cluster", "rejoin", cluster.address(n), "--confirm", cluster.address(n),
                          "--reason", "drill"});
    };
    const auto master = rejoin(0);
    CHECK(master.code == 3);
    CHECK(master.err.contains("owns slots"));
    CHECK(cluster.role(0) == "master");

    RedisCluster broken;
    for (int n = 3; n < 6; ++n)
        broken.node(n).run({"CONFIG", "SET", "cluster-replica-no-failover", "yes"});
    put(broken.node(0), {"a{06S}"}); // slot 0
    broken.node(0).kill(SIGKILL);
    RedisWorld other(broken.node(1).settings_tcp());
    const auto only = other.run({"redis", "cluster", "rejoin", broken.address(3), "--confirm",
                                 broken.address(3), "--reason", "drill"});
    INFO(only.err);
    CHECK(only.code == 3);
    CHECK(broken.role(3) == "slave");
}

TEST_CASE(
    "the documented reset loses a replica; rejoin brings it back with its data, by the word of every node")
{
    if (redis_missing())
        return;
    RedisCluster cluster;
    std::vector<std::string> keys;
    for (int i = 0; i < 100; ++i)
        keys.push_back(fmt::format("{{06S}}:{}", i)); // all in slot 0, of node 0
    put(cluster.node(0), keys);
    REQUIRE(eventually([&] { return cluster.node(3).run({"DBSIZE"}).integer == 100; }));
    const auto old_id = cluster.id(3);
    REQUIRE_FALSE(cluster.node(3).run({"CLUSTER", "RESET", "HARD"}).is_error());
    CHECK(cluster.node(3).run({"DBSIZE"}).integer == 0); // gone, a lone master with another id
    CHECK(cluster.id(3) != old_id);
    CHECK(cluster.role(3) == "master");
    // A person met it again; the entry of its old id stays dead with the others.
    RedisWorld world(cluster.node(1).settings_tcp());
    cluster.node(3).run({"CLUSTER", "MEET", "127.0.0.1", std::to_string(cluster.node(1).port()), [&] {
                             const auto line = node_of(cluster.node(0).run({"CLUSTER", "NODES"}).text,
                                                       fmt::format(":{}@", cluster.node(1).port()));
                             const auto at = line.find('@') + 1;
                             return line.substr(at, line.find_first_of(" ,", at) - at);
                         }()});
    REQUIRE(eventually([&] {
        return cluster.node(1).run({"CLUSTER", "NODES"}).text.contains(cluster.id(3)) &&
               cluster.node(3).run({"CLUSTER", "NODES"}).text.contains(cluster.id(0));
    }));
    const auto node = cluster.address(3);
    const auto done = world.run({"redis", "cluster", "rejoin", node, "--master", cluster.address(0),
                                 "--confirm", node, "--reason", "drill"});
    INFO(done.out << done.err);
    CHECK(done.code == 0);
    CHECK(cluster.node(3).run({"DBSIZE"}).integer == 100);
    for (const int n : {0, 1, 2, 4, 5}) {
        const auto nodes = cluster.node(n).run({"CLUSTER", "NODES"}).text;
        CHECK(node_of(nodes, cluster.id(3)).contains(cluster.id(0)));
        CHECK_FALSE(nodes.contains(old_id));
    }
    checked(world, 0);
    // And once more, of a replica in good order; what it knew is in the record.
    const auto again =
        world.run({"redis", "cluster", "rejoin", node, "--confirm", node, "--reason", "drill"});
    INFO(again.out << again.err);
    CHECK(again.code == 0);
    CHECK(cluster.node(3).run({"DBSIZE"}).integer == 100);
    checked(world, 0);
}
