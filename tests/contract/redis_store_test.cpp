// SPDX-License-Identifier: Apache-2.0
// Redis as the CLI sees it: the same body against servers in memory and real ones.
#include "cli/backend/redis/servers.hpp"
#include "cli/redis/clear.hpp"
#include "cli/redis/save.hpp"
#include "cli/redis/settings.hpp"
#include "cli/redis/topology.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_redis_store.hpp"
#include "tests/support/redis_cluster.hpp"

#include <algorithm>
#include <fmt/format.h>

using namespace conduit;
using namespace conduit::test;

namespace {

std::unique_ptr<RedisServers> real(const redis::Settings& settings, const Cancel& cancel)
{
    RedisAccess access;
    access.settings = settings;
    access.settings.connect_timeout = Duration{2'000};
    access.identity = "real";
    return make_redis_servers(access, &cancel);
}

void single_body(RedisServers& servers)
{
    const Deadline deadline(30s);
    const Cancel cancel;
    auto masters = redis::reach_masters(servers, deadline).value();
    CHECK_FALSE(masters.cluster);
    auto& server = *masters.servers.front();
    for (int i = 0; i < 300; ++i) {
        CHECK(server.ask({"SET", fmt::format("cache:{}", i), "v"}, deadline));
        CHECK(server.ask({"SET", fmt::format("user:{}", i), "v"}, deadline));
    }
    const auto sample = redis::sample_keys(masters, {.prefix = "cache:"}, deadline).value();
    CHECK(sample.total == 600);
    CHECK(sample.matched == 300);
    CHECK(sample.whole);
    const auto request = redis::clear_by_prefix("cache:").value();
    redis::Cleared done;
    CHECK(redis::clear_keys(masters, request, {system_clock(), cancel, {}}, done, deadline));
    CHECK(done.removed == 300);
    CHECK(redis::count_keys(masters, request, cancel, deadline).value().count == 0);
    CHECK(server.ask({"DBSIZE"}, deadline).value().integer == 300);
    CHECK(redis::read_setting(server, "maxmemory-policy", deadline).value() == "noeviction");
    CHECK(redis::read_setting(server, "no-such", deadline).error().kind == ErrorKind::not_found);
    CHECK(server.ask({"CONFIG", "SET", "no-such", "x"}, deadline).error().kind == ErrorKind::failed);
    const auto saved = redis::save(masters, {}, {}, cancel, deadline).value();
    CHECK(saved.front().after > saved.front().before);
    CHECK(redis::check_saved(masters, saved, deadline));
    CHECK(redis::read_views(servers, deadline).error().kind == ErrorKind::refused);
    CHECK(server.ask({"CLUSTER", "NODES"}, deadline).error().kind == ErrorKind::failed);
    // Answers that are not waited for come with the next call.
    CHECK(server.pipeline(redis::command({"SET", "one", "1"}), 0, deadline).value().empty());
    const auto both = server.pipeline(redis::command({"DBSIZE"}), 2, deadline).value();
    CHECK(both[0].text == "OK");
    CHECK(both[1].integer == 301);
}

// replica: an address of a replica; nothing is promoted by itself meanwhile.
void cluster_body(RedisServers& servers)
{
    const Deadline deadline(30s);
    const Cancel cancel;
    const auto views = redis::read_views(servers, deadline).value();
    const auto verdict = redis::judge(views);
    CHECK(verdict.covered == redis::k_slots);
    CHECK(verdict.masters == 3);
    CHECK(verdict.state == "ok");
    CHECK(redis::reach_masters(servers, deadline).value().servers.size() == 3);
    const auto replica = std::ranges::find(views, "slave", &redis::ClusterView::role);
    REQUIRE(replica != views.end());
    CHECK(redis::plan_failover(views, replica->self()->master, false).error().kind == ErrorKind::refused);
    const auto plan = redis::plan_failover(views, replica->address, false).value();
    CHECK(redis::start_failover(servers, plan, {}, deadline));
    CHECK(redis::wait_failover(servers, plan, {}, cancel, deadline));
    // Planned for what is no more.
    CHECK(redis::start_failover(servers, plan, {}, deadline).error().kind == ErrorKind::stale);
    const auto after = redis::read_views(servers, deadline).value();
    const auto back = redis::plan_rejoin(after, plan.master, "").value();
    CHECK(back.master == plan.replica);
    CHECK(redis::rejoin(servers, back, {}, cancel, deadline));
    CHECK(redis::wait_rejoined(servers, back, {}, cancel, deadline));
    CHECK(redis::plan_rejoin(redis::read_views(servers, deadline).value(), plan.replica, "").error().kind ==
          ErrorKind::refused); // it has slots
}

} // namespace

TEST_CASE("a server in memory does what a real one does for the verbs of Redis")
{
    FakeRedisStore fake;
    single_body(*fake.servers());
    if (redis_missing())
        return;
    RedisServer server;
    const Cancel cancel;
    single_body(*real(server.settings(), cancel));
}

TEST_CASE("a Cluster in memory does what a real one does for the verbs of Redis")
{
    FakeRedisStore fake;
    fake.make_cluster();
    cluster_body(*fake.servers());
    if (redis_missing())
        return;
    RedisCluster cluster;
    const Cancel cancel;
    cluster_body(*real(cluster.node(0).settings_tcp(), cancel));
}
