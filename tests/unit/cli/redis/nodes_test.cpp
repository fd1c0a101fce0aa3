// SPDX-License-Identifier: Apache-2.0
// What a Cluster is, from what its nodes say: parsed with distrust, judged from all sides.
#include "cli/redis/nodes.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <fmt/format.h>

using namespace conduit;
using namespace conduit::redis;

namespace {

const std::string k_ids[] = {std::string(40, 'a'), std::string(40, 'b'), std::string(40, 'c'),
                             std::string(40, 'd')};

std::string line(int n, bool myself, const std::string& role, const std::string& master,
                 const std::string& rest)
{
    return fmt::format("{} 10.0.0.{}:6379@16379 {}{} {} 0 0 {} connected {}\n", k_ids[n], n + 1,
                       myself ? "myself," : "", role, master.empty() ? "-" : master, n + 1, rest);
}

// Three masters and a replica of the first, as node `self` sees them; slots of the first two may be
// another's.
ClusterView view(int self, const std::string& first = "0-5460", const std::string& second = "5461-10922")
{
    const std::string slots[] = {first, second, "10923-16383", ""};
    std::string text;
    for (int n = 0; n < 4; ++n)
        text += line(n, n == self, n == 3 ? "slave" : "master", n == 3 ? k_ids[0] : "", slots[n]);
    ClusterView out{.address = fmt::format("10.0.0.{}:6379", self + 1), .id = k_ids[self], .state = "ok"};
    out.role = self == 3 ? "slave" : "master";
    out.link = self == 3 ? "up" : "";
    out.nodes = parse_nodes(text).value();
    return out;
}

std::vector<ClusterView> healthy()
{
    return {view(0), view(1), view(2), view(3)};
}

bool says(const ClusterVerdict& verdict, const std::string& what)
{
    return std::ranges::any_of(verdict.findings,
                               [&](const ClusterFinding& f) { return f.what.contains(what); });
}

} // namespace

TEST_CASE("the slot of a key is what Redis computes, with its hash tags")
{
    CHECK(slot_of("") == 0);
    CHECK(slot_of("123456789") == 12'739);
    CHECK(slot_of("foo") == 12'182);
    CHECK(slot_of("user:{foo}:x") == 12'182);
    CHECK(slot_of("{}foo") == slot_of("{}foo"));
    CHECK(slot_of("{}foo") != slot_of("foo")); // an empty tag is none
    CHECK(slot_of("a{foo}{bar}") == 12'182);
}

TEST_CASE("a healthy Cluster with several masters is no split")
{
    const auto verdict = judge(healthy());
    CHECK(verdict.ok());
    CHECK(verdict.masters == 3);
    CHECK(verdict.replicas == 1);
    CHECK(verdict.covered == k_slots);
    CHECK(says(verdict, "has no replica")); // worth knowing, not wrong
}

TEST_CASE("two nodes that each believe to own a slot are a split")
{
    auto views = healthy();
    views[1] = view(1, "0-5459", "5460-10922");
    const auto verdict = judge(views);
    CHECK(verdict.state == "split");
    CHECK(says(verdict, "each believe to own slot 5460"));
    CHECK(says(verdict, "do not agree who has slot 5460"));
    CHECK(verdict.covered == k_slots - 1);
}

TEST_CASE("nodes that do not know each other are a split")
{
    auto views = healthy();
    std::erase_if(views[2].nodes, [](const ClusterNode& n) { return n.id == k_ids[1]; });
    CHECK(judge(views).state == "split");
}

TEST_CASE("slots without an owner, a silent node and a lost link are degraded, not split")
{
    auto views = healthy();
    for (auto& one : views)
        one = view(one.id[0] - 'a', "1-5460");
    auto verdict = judge(views);
    CHECK(verdict.state == "degraded");
    CHECK(says(verdict, "nobody has slot 0"));

    views = healthy();
    views[3].link = "down";
    CHECK(judge(views).state == "degraded");

    views = healthy();
    views[2] = {.address = "10.0.0.3:6379", .error = "refused"};
    verdict = judge(views);
    CHECK(verdict.state == "degraded");
    CHECK(says(verdict, "10.0.0.3:6379 does not answer"));
    CHECK_FALSE(says(verdict, "no majority"));

    views[1] = {.address = "10.0.0.2:6379", .error = "refused"};
    CHECK(says(judge(views), "1 of 3 masters answer: no majority"));
}

TEST_CASE("masters with the same epoch are told")
{
    auto views = healthy();
    for (auto& one : views)
        for (auto& node : one.nodes)
            node.epoch = 7;
    CHECK(says(judge(views), "have the same epoch 7"));
}

TEST_CASE("addresses are read in every form that versions of Redis write")
{
    const auto with = [](const std::string& address) {
        return parse_nodes(fmt::format("{} {} myself,master - 0 0 1 connected 0-1 5 [93->-{}]\n", k_ids[0],
                                       address, k_ids[1]))
            .value()
            .front();
    };
    CHECK(with("10.0.0.1:6379").address == "10.0.0.1:6379");
    CHECK(with("10.0.0.1:6379@16379").bus_port == 16'379);
    CHECK(with("10.0.0.1:6379@16379,redis-0.redis,shard-id=x").host_name == "redis-0.redis");
    CHECK(with("fd00::1:6379@16379").address == "[fd00::1]:6379");
    CHECK(with(":0@0").address.empty());
    CHECK(with(":6379@16379").address.empty());
    const auto node = with("10.0.0.1:6379@16379");
    CHECK(node.slot_count() == 3);
    CHECK(slots_text(node.slots) == "0-1, 5");
    CHECK(node.moving.size() == 1);
}

TEST_CASE("an answer that is none of a Cluster is unknown, never half of one")
{
    const auto good = line(0, true, "master", "", "0-16383");
    CHECK(parse_nodes(good));
    for (const auto& bad :
         {std::string("garbage"), std::string(), good + good, line(0, false, "master", "", ""),
          line(0, true, "master", "", "0-16384"), line(0, true, "master", "", "5-4"),
          line(0, true, "master", "", "99999999999"), line(0, true, "master", "", "-"), good.substr(0, 60),
          std::string(1'000, ' '), std::string("\0\0\0", 3)}) {
        INFO(bad.substr(0, 100));
        const auto parsed = parse_nodes(bad);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error().kind == ErrorKind::unknown);
    }
    std::string many = good;
    for (int i = 0; i < 2'000; ++i)
        many += fmt::format("{:040x} 10.0.0.9:{}@1 master - 0 0 1 connected\n", i, i + 1);
    CHECK_FALSE(parse_nodes(many));
}
