// SPDX-License-Identifier: Apache-2.0
// Dropping keys by prefix from real servers: all of those, and none but those.
#include "cli/redis/nodes.hpp"
#include "core/process.hpp"
#include "tests/integration/redis/world.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_redis_store.hpp"
#include "tests/support/redis_cluster.hpp"
#include "tests/support/wait.hpp"

#include <atomic>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thread>

using namespace conduit;
using namespace conduit::test;

namespace {

// Keys that a shell, a pattern or a text protocol would break on.
std::vector<std::string> awkward(const std::string& prefix)
{
    return {prefix + "a b",
            prefix + "it's",
            prefix + "say \"x\"",
            prefix + "line\nbreak",
            prefix + "\r\nDEL b",
            prefix + "tab\tkey",
            prefix + std::string("\0", 1),
            prefix + "\xff\xfe\x80",
            prefix + "*",
            prefix + "[a-z]?\\",
            prefix + "ключ",
            prefix};
}

std::vector<std::string> foreign()
{
    auto keys = awkward("user:");
    for (const auto* key :
         {"b", "a", "audi", "Audio:x", "xaudio:x", "audio", " audio:x", "aXdio:1", "*", "session:1"})
        keys.emplace_back(key);
    return keys;
}

std::int64_t size_of(RedisServer& server)
{
    return server.run({"DBSIZE"}).integer;
}

bool has_all(RedisServer& server, const std::vector<std::string>& keys)
{
    for (const auto& key : keys)
        if (server.run({"EXISTS", key}).integer != 1)
            return false;
    return true;
}

// What the operations documents say to type.
int documented_clear(RedisServer& server, const std::string& pattern)
{
    const auto cli = fmt::format("redis-cli -s {}", server.socket().string());
    const auto ended =
        run_process({.argv = {"/bin/sh", "-c",
                              fmt::format("{} --scan --pattern '{}' | xargs {} DEL", cli, pattern, cli)}},
                    Deadline(30s));
    return ended ? ended->exit_code : -1;
}

} // namespace

TEST_CASE("the documented clear deletes another key and spares its own; ours does neither")
{
    if (redis_missing())
        return;
    RedisServer server;
    put(server, {"audio:a b", "b"});
    documented_clear(server, "audio:*");
    CHECK(server.run({"EXISTS", "b"}).integer == 0); // gone, though nobody named it
    CHECK(server.run({"EXISTS", "audio:a b"}).integer == 1);

    put(server, {"audio:a b", "b"});
    RedisWorld world(server.settings());
    const auto cleared = world.clear("audio:");
    INFO(cleared.out << cleared.err);
    CHECK(cleared.code == 0);
    CHECK(server.run({"EXISTS", "b"}).integer == 1);
    CHECK(server.run({"EXISTS", "audio:a b"}).integer == 0);
}

TEST_CASE("the documented clear of nothing succeeds with an error; ours says that there was none")
{
    if (redis_missing())
        return;
    RedisServer server;
    put(server, {"b"});
    CHECK(documented_clear(server, "audio:*") == 0); // ERR wrong number of arguments
    RedisWorld world(server.settings());
    const auto cleared = world.clear("audio:");
    INFO(cleared.out << cleared.err);
    CHECK(cleared.code == 0);
    CHECK((cleared.out + cleared.err).contains("0 of 1 keys"));
    CHECK(size_of(server) == 1);
}

TEST_CASE("of 40,000 keys exactly the 20,000 with the prefix go, whatever bytes are in them")
{
    if (redis_missing())
        return;
    RedisServer server;
    std::vector<std::string> ours = awkward("audio:"), others = foreign();
    const auto kept = others.size();
    for (int i = 0; i < 20'000; ++i) {
        ours.push_back(fmt::format("audio:tts:{}", i));
        others.push_back(fmt::format("user:{}", i));
    }
    put(server, ours);
    put(server, others);
    RedisWorld world(server.settings());
    const auto cleared = world.clear("audio:", {"-o", "json"});
    INFO(cleared.out << cleared.err);
    CHECK(cleared.code == 0);
    CHECK(parse_json(cleared.out).value()["verified"] == true);
    CHECK(size_of(server) == static_cast<std::int64_t>(others.size()));
    others.resize(kept);
    CHECK(has_all(server, others));
}

TEST_CASE("a pattern needs a literal beginning, and drops only what matches it")
{
    if (redis_missing())
        return;
    RedisServer server;
    put(server, {"cache:1:tmp", "cache:1", "tmp"});
    RedisWorld world(server.settings());
    for (const std::string pattern : {"*", "?cache:*", "[c]ache:*", ""}) {
        INFO(pattern);
        CHECK(world
                  .run({"cache", "clear", "--store", "redis", "--pattern", pattern, "--confirm", pattern,
                        "--reason", "x"})
                  .code == 2);
    }
    CHECK(world.clear("cache:*").code == 2); // a prefix is literal
    CHECK(world.clear("").code == 2);
    const auto cleared = world.run({"cache", "clear", "--store", "redis", "--pattern", "cache:*:tmp",
                                    "--confirm", "cache:*:tmp", "--reason", "x"});
    INFO(cleared.err);
    CHECK(cleared.code == 0);
    CHECK(has_all(server, {"cache:1", "tmp"}));
    CHECK(size_of(server) == 2);
}

TEST_CASE("the plan of a clear counts and shows keys, and a dry run drops none")
{
    if (redis_missing())
        return;
    RedisServer server;
    put(server, {"cache:1", "cache:2", "b"});
    RedisWorld world(server.settings());
    const auto planned = world.run({"cache", "clear", "cache:", "--store", "redis", "--dry-run"});
    INFO(planned.out << planned.err);
    CHECK(planned.code == 0);
    CHECK((planned.out + planned.err).contains("2 of 3 keys"));
    CHECK((planned.out + planned.err).contains("cache:1"));
    CHECK(size_of(server) == 3);
    CHECK(world.run({"cache", "clear", "cache:", "--store", "redis", "-y"}).code == 3); // severe: --confirm
    CHECK(size_of(server) == 3);
}

TEST_CASE("a replica is never cleared, and its master is named")
{
    if (redis_missing())
        return;
    RedisServer master;
    RedisServer replica({"--replicaof", fmt::format("127.0.0.1 {}", master.port())});
    put(master, {"cache:1"});
    REQUIRE(eventually([&] { return size_of(replica) == 1; }));
    RedisWorld world(replica.settings());
    const auto cleared = world.clear("cache:");
    CHECK(cleared.code == 3);
    CHECK(cleared.err.contains(fmt::format("127.0.0.1:{}", master.port())));
    CHECK(size_of(master) == 1);
}

TEST_CASE("everything is only dropped by number, and when all of it is a cache's")
{
    if (redis_missing())
        return;
    RedisServer server;
    put(server, {"cache:1", "cache:2", "DataProtection-Keys"});
    server.run({"LPUSH", "llm_queue", "job"});
    RedisWorld world(server.settings());
    const std::vector<std::string> all{"cache", "clear",    "--all", "--store",
                                       "redis", "--reason", "x",     "--confirm"};
    const auto with = [&](std::vector<std::string> more) {
        auto words = all;
        words.insert(words.end(), more.begin(), more.end());
        return world.run(words);
    };
    CHECK(with({"db0"}).code == 2); // which database?
    const auto refused = with({"db0", "--db", "0"});
    CHECK(refused.code == 3);
    CHECK(refused.err.contains("(none) 2"));
    CHECK(size_of(server) == 4);
    CHECK(with({"db1", "--db", "0", "--allow", "(none)"}).code == 3); // confirmed another one
    CHECK(size_of(server) == 4);
    const auto done = with({"db0", "--db", "0", "--allow", "(none)"});
    INFO(done.err);
    CHECK(done.code == 0);
    CHECK(size_of(server) == 0);
}

TEST_CASE("another database is cleared by its number alone")
{
    if (redis_missing())
        return;
    RedisServer server;
    put(server, {"cache:1"});
    auto connection = redis::Connection::open(server.settings(), Deadline(5s)).value();
    connection->call({"SELECT", "3"}, Deadline(5s)).value();
    connection->call({"SET", "cache:1", "v"}, Deadline(5s)).value();
    RedisWorld world(server.settings());
    CHECK(world.clear("cache:", {"--db", "3"}).code == 0);
    CHECK(connection->call({"DBSIZE"}, Deadline(5s)).value().integer == 0);
    CHECK(size_of(server) == 1);
}

TEST_CASE("keys that are written meanwhile are told, with exit code 11")
{
    if (redis_missing())
        return;
    RedisServer server;
    put(server, {"cache:1"});
    std::atomic<bool> stop{false};
    std::jthread writer([&] {
        auto connection = redis::Connection::open(server.settings(), Deadline(5s)).value();
        while (!stop)
            connection->call({"SET", "cache:new", "v"}, Deadline(5s)).value();
    });
    RedisWorld world(server.settings());
    const auto cleared = world.clear("cache:");
    stop = true;
    INFO(cleared.out << cleared.err);
    CHECK(cleared.code == 11);
    CHECK((cleared.out + cleared.err).contains("cache:new"));
}

TEST_CASE("a rate holds a clear back")
{
    if (redis_missing())
        return;
    RedisServer server;
    std::vector<std::string> keys;
    for (int i = 0; i < 3'000; ++i)
        keys.push_back(fmt::format("cache:{}", i));
    put(server, keys);
    RedisWorld world(server.settings());
    const auto before = world.app.clock.ticks;
    CHECK(world.clear("cache:", {"--rate", "1000/s"}).code == 0);
    CHECK(world.app.clock.ticks - before >= 2s); // by the clock that only sleeping moves
    CHECK(size_of(server) == 0);
}

TEST_CASE("a user who may not drop keys is told so, and a clear that stops half-way says how far it was")
{
    if (redis_missing())
        return;
    RedisServer server;
    put(server, {"cache:1"});
    server.run({"ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@all", "-unlink"});
    auto settings = server.settings();
    settings.identity = {"reader", "secret"};
    RedisWorld world(settings);
    const auto cleared = world.clear("cache:");
    INFO(cleared.err);
    CHECK(cleared.code == 5);
    CHECK(size_of(server) == 1);
    CHECK_FALSE(cleared.err.contains("secret"));
}

TEST_CASE("in a Cluster the keys of every master go, and no other's")
{
    if (redis_missing())
        return;
    RedisCluster cluster;
    std::vector<std::string> ours = awkward("audio:"), others = foreign();
    for (int i = 0; i < 5'000; ++i) {
        ours.push_back(fmt::format("audio:tts:{}", i));
        ours.push_back(fmt::format("audio:{{same}}:{}", i));
        others.push_back(fmt::format("user:{}", i));
    }
    std::vector<std::vector<std::string>> by_node(3);
    const auto place = [&](const std::string& key) {
        const int slot = redis::slot_of(key);
        for (int n = 0; n < 3; ++n)
            if (slot < 16'384 * (n + 1) / 3) {
                by_node[static_cast<std::size_t>(n)].push_back(key);
                return;
            }
    };
    for (const auto& key : ours)
        place(key);
    for (const auto& key : others)
        place(key);
    for (int n = 0; n < 3; ++n)
        put(cluster.node(n), by_node[static_cast<std::size_t>(n)]);
    REQUIRE(cluster.keys() == static_cast<std::int64_t>(ours.size() + others.size()));
    RedisWorld world(cluster.node(1).settings_tcp());
    const auto cleared = world.clear("audio:");
    INFO(cleared.out << cleared.err);
    CHECK(cleared.code == 0);
    CHECK((cleared.out + cleared.err).contains("3 masters of a Cluster"));
    CHECK(cluster.keys() == static_cast<std::int64_t>(others.size()));
    // A database has no number there.
    CHECK(world.clear("audio:", {"--db", "1"}).code == 2);
}

TEST_CASE("the documented flush empties one master of a Cluster; ours empties all, or says why not")
{
    if (redis_missing())
        return;
    RedisCluster cluster(3, false);
    const auto fill = [&] {
        put(cluster.node(0), {"cache:{06S}"});
        put(cluster.node(1), {"cache:{c}"});
        put(cluster.node(2), {"cache:{foo}"});
    };
    fill();
    cluster.node(0).run({"FLUSHDB"});
    CHECK(cluster.keys() == 2);
    fill();
    RedisWorld world(cluster.node(0).settings_tcp());
    const std::vector<std::string> all{"cache", "clear",     "--all", "--db",     "0", "--store",
                                       "redis", "--confirm", "db0",   "--reason", "x"};
    put(cluster.node(2), {"session:{foo}"});
    const auto refused = world.run(all);
    CHECK(refused.code == 3);
    CHECK(refused.err.contains("session: 1"));
    CHECK(cluster.keys() == 4);
    cluster.node(2).run({"DEL", "session:{foo}"});
    const auto done = world.run(all);
    INFO(done.out << done.err);
    CHECK(done.code == 0);
    CHECK(cluster.keys() == 0);
}

TEST_CASE("a clear whose connection ends half-way says how far it was, and can be typed again")
{
    FakeRedisStore store;
    auto& keys = store.nodes.begin()->second.keys;
    keys["b"] = "v";
    for (int i = 0; i < 1'000; ++i)
        keys[fmt::format("cache:{}", i)] = "v";
    store.before = [&, told = 0](const std::string&, const FakeRedisStore::Words& words) mutable {
        if (words[0] == "UNLINK" && ++told == 3)
            store.faults["*"] = {ErrorKind::unreachable, "the server closed the connection"};
    };
    RedisWorld world({});
    world.wrap = [&](const std::unique_ptr<RedisServers>&) { return store.servers(); };
    const auto cut = world.clear("cache:");
    INFO(cut.out << cut.err);
    CHECK(cut.code == 10);
    CHECK(cut.err.contains("keys were removed, then"));
    CHECK(keys.size() > 1);
    CHECK(keys.size() < 1'001);
    store.faults.clear();
    store.before = nullptr;
    const auto again = world.clear("cache:");
    INFO(again.out << again.err);
    CHECK(again.code == 0);
    CHECK(keys.size() == 1);
}
