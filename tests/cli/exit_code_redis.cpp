// SPDX-License-Identifier: Apache-2.0
// The verbs of Redis, against servers in memory.
#include "tests/cli/exit_codes.hpp"

namespace conduit::test {
namespace {

using enum ErrorKind;

constexpr auto k_replica = "10.0.0.4:6379";

Inject redis_says(const char* command, ErrorKind kind)
{
    return [=](Stage& s) { s.world.redis.faults[command] = {kind, "Redis says no"}; };
}

// At the given time that one of the servers is told this: a change between the plan and the write is at the
// second.
Inject at_command(const char* command, int nth, std::function<void(FakeRedisStore&, const std::string&)> then)
{
    return [=](Stage& s) {
        s.world.redis.before = [&store = s.world.redis, command, nth, then,
                                count = 0](const std::string& address, const Words& words) mutable {
            const auto name = words.size() > 1 ? words[0] + " " + words[1] : words[0];
            if ((name == command || words[0] == command) && ++count == nth)
                then(store, address);
        };
    };
}

Faults reads()
{
    return {{ok, [](Stage&) {}},
            {usage, [](Stage& s) { s.words.emplace_back("--no-such-flag"); }},
            {not_found, [](Stage& s) { s.words.insert(s.words.end(), {"-C", "nope"}); }},
            {interrupted, [](Stage& s) { s.interrupt(); }},
            {failed, redis_says("*", failed)},
            {auth, redis_says("*", auth)},
            {unreachable, redis_says("*", unreachable)},
            {unknown, redis_says("*", unknown)}};
}

Faults changes(const char* command)
{
    auto faults = reads();
    faults[refused] = [](Stage& s) {
        s.world.app.write_config("contexts: {local: {guards: {protected: true}}}\n");
    };
    faults[locked] = [](Stage& s) { s.hold_every_lock(); };
    faults[unverified] = [](Stage& s) { s.words.emplace_back("--no-wait"); };
    faults[unknown] = redis_says(command, unknown);
    return faults;
}

void in_cluster(Stage& s)
{
    s.world.redis.make_cluster();
}

void with_sentinel(Stage& s)
{
    auto& store = s.world.redis;
    store.sentinels = {"10.0.0.9:26379"};
    store.sentinel_replica = k_replica;
    store.nodes[k_replica].master = std::string(40, 'a');
    store.nodes[k_replica].id = std::string(40, 'd');
}

void away(Stage& s)
{
    s.world.redis.before = [&store = s.world.redis](const std::string& address, const Words&) {
        store.faults.erase("*");
        if (address == "10.0.0.3:6379")
            store.faults["*"] = {unreachable, "nobody listens"};
    };
}

// The replica is asked for its nodes by the plan first, and again before it is told.
Inject asked_again(std::function<void(FakeRedisNode&)> then)
{
    return [=](Stage& s) {
        s.world.redis.before = [&store = s.world.redis, then, count = 0](const std::string& address,
                                                                         const Words& words) mutable {
            if (address == k_replica && words.size() > 1 && words[1] == "NODES" && ++count == 2)
                then(store.nodes[k_replica]);
        };
    };
}

void a_replica(Stage& s)
{
    s.world.redis.nodes.begin()->second.master = std::string(40, 'x');
}

} // namespace

std::vector<Case> redis_cases()
{
    static const Faults read = reads();
    static const Faults saving = changes("BGSAVE"), promoting = changes("CLUSTER FAILOVER"),
                        joining = changes("CLUSTER FORGET"), asking = changes("SENTINEL FAILOVER"),
                        setting = changes("CONFIG SET");
    const Inject link_down = [](Stage& s) {
        a_replica(s);
        s.world.redis.nodes.begin()->second.link = "down";
    };
    const Inject no_cluster = [](Stage& s) { s.world.redis.cluster = false; };
    const Inject changed = at_command("CONFIG GET", 2, [](FakeRedisStore& store, const std::string&) {
        for (auto& [address, node] : store.nodes)
            node.config["maxmemory"] = "7";
    });
    // The second server refuses, and so does the first when it is put back.
    const Inject half = [](Stage& s) {
        s.world.redis.make_cluster();
        at_command("CONFIG SET", 2, [](FakeRedisStore& store, const std::string&) {
            store.faults["CONFIG SET"] = {unreachable, "the connection ended"};
        })(s);
    };
    const Inject moved = at_command("SENTINEL MASTER", 2, [](FakeRedisStore& store, const std::string&) {
        std::swap(store.sentinel_master, store.sentinel_replica);
    });
    const std::vector<std::string> rejoin{"redis",     "cluster", "rejoin",   k_replica,
                                          "--confirm", k_replica, "--reason", "a drill"};
    return {
        {.verb = "redis ping", .words = {"redis", "ping"}, .faults = &read, .more = {{breached, link_down}}},
        {.verb = "redis info", .words = {"redis", "info"}, .faults = &read},
        {.verb = "redis memory", .words = {"redis", "memory"}, .faults = &read},
        {.verb = "redis latency", .words = {"redis", "latency"}, .faults = &read},
        {.verb = "redis clients", .words = {"redis", "clients"}, .faults = &read},
        {.verb = "redis keys", .words = {"redis", "keys"}, .faults = &read, .more = {{refused, a_replica}}},
        {.verb = "redis config get", .words = {"redis", "config", "get"}, .faults = &read},
        {.verb = "redis config set",
         .words = {"redis", "config", "set", "maxmemory", "100Mi", "-y"},
         .faults = &setting,
         .more = {{stale, changed}, {partial, half}}},
        {.verb = "redis save", .words = {"redis", "save", "-y"}, .faults = &saving},
        {.verb = "redis failover",
         .words = {"redis", "failover", "-y"},
         .faults = &asking,
         .more = {{stale, moved}},
         .before = with_sentinel},
        {.verb = "redis cluster status",
         .words = {"redis", "cluster", "status"},
         .faults = &read,
         .more = {{refused, no_cluster}},
         .before = in_cluster},
        {.verb = "redis cluster check",
         .words = {"redis", "cluster", "check"},
         .faults = &read,
         .more = {{refused, no_cluster}, {breached, away}},
         .before = in_cluster},
        {.verb = "redis cluster failover",
         .words = {"redis", "cluster", "failover", k_replica, "-y"},
         .faults = &promoting,
         .more = {{stale, asked_again([](FakeRedisNode& node) { node.master = std::string(40, 'b'); })}},
         .before = in_cluster},
        {.verb = "redis cluster rejoin",
         .words = rejoin,
         .faults = &joining,
         .more = {{partial, redis_says("CLUSTER RESET", failed)},
                  {stale, asked_again([](FakeRedisNode& node) { node.id = std::string(40, 'e'); })}},
         .before = in_cluster},
    };
}

} // namespace conduit::test
