// SPDX-License-Identifier: Apache-2.0
// Single and replicated servers, with a password, with sentinels: what is told of them, and what is changed.
#include "core/process.hpp"
#include "tests/integration/redis/world.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/wait.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::test;

namespace {

Json json_of(const RunResult& result)
{
    INFO(result.out << result.err);
    auto parsed = parse_json(result.out);
    REQUIRE(parsed);
    return *parsed;
}

bool in_step(RedisServer& replica)
{
    return eventually(
        [&] { return replica.run({"INFO", "replication"}).text.contains("master_link_status:up"); });
}

} // namespace

TEST_CASE("a password that is missing is exit code 5, where redis-cli says 0")
{
    if (redis_missing())
        return;
    RedisServer server({"--requirepass", "sesame"});
    const auto documented =
        run_process({.argv = {"redis-cli", "-s", server.socket().string(), "ping"}}, Deadline(10s));
    REQUIRE(documented);
    CHECK(documented->exit_code == 0); // NOAUTH, and a success
    RedisWorld world(server.settings());
    CHECK(world.run({"redis", "ping"}).code == 5);
    world.access.settings.identity.password = "wrong";
    CHECK(world.run({"redis", "ping"}).code == 5);
    world.access.settings.identity.password = "sesame";
    const auto pong = world.run({"redis", "ping"});
    CHECK(pong.code == 0);
    const auto config = world.run({"redis", "config", "get", "*pass*"});
    CHECK(config.code == 0);
    CHECK(config.out.contains("(set)"));
    CHECK_FALSE(config.out.contains("sesame"));
}

TEST_CASE("a server that is away is exit code 6")
{
    if (redis_missing())
        return;
    RedisServer server;
    RedisWorld world(server.settings());
    server.kill(SIGKILL);
    CHECK(world.run({"redis", "ping"}).code == 6);
    CHECK(world.clear("cache:").code == 6);
}

TEST_CASE("a replica without its master answers PONG and is not well")
{
    if (redis_missing())
        return;
    RedisServer master;
    RedisServer replica({"--replicaof", fmt::format("127.0.0.1 {}", master.port())});
    REQUIRE(in_step(replica));
    RedisWorld world(replica.settings());
    const auto well = json_of(world.run({"redis", "ping", "-o", "json"}));
    CHECK(well["items"][0]["role"] == "slave");
    CHECK(well["items"][0]["link"] == "up");
    master.kill(SIGKILL);
    REQUIRE(eventually(
        [&] { return replica.run({"INFO", "replication"}).text.contains("master_link_status:down"); }));
    const auto ill = world.run({"redis", "ping"});
    CHECK(ill.code == 13);
    CHECK((ill.out + ill.err).contains("link to its master"));
}

TEST_CASE("a server that loads its data is not well yet")
{
    if (redis_missing())
        return;
    RedisServer server({"--enable-debug-command", "yes"});
    server.run({"DEBUG", "POPULATE", "200000", "k", "10"});
    REQUIRE_FALSE(server.run({"SAVE"}).is_error());
    server.kill(SIGKILL);
    // 50 microseconds a key, with a look at its clients in between.
    const auto pid = spawn_process(
        {.argv = {"/usr/bin/redis-server", "--port", "0", "--unixsocket", server.socket().string(), "--dir",
                  server.folder().string(), "--key-load-delay", "50",
                  "--loading-process-events-interval-bytes", "1024", "--save", ""},
         .stdout_file = server.folder() / "log2",
         .die_with_parent = true});
    REQUIRE(pid);
    RedisWorld world(server.settings());
    RunResult result;
    CHECK(eventually([&] {
        result = world.run({"redis", "ping"});
        return result.code == 13;
    }));
    INFO(result.out << result.err);
    CHECK((result.out + result.err).contains("LOADING"));
    ::kill(*pid, SIGKILL);
}

TEST_CASE("hits and misses are rates of the window, not totals since the start")
{
    if (redis_missing())
        return;
    RedisServer server;
    server.run({"SET", "k", "v"});
    for (int i = 0; i < 8; ++i)
        server.run({"GET", "missing"}); // long ago
    RedisWorld world(server.settings());
    // The second sample sees what the first one's moment did: the clock of a test does not wait.
    class Busy final : public RedisSession {
      public:
        Busy(std::unique_ptr<RedisSession> to, RedisServer& asked_one)
            : to_(std::move(to)), server_(asked_one)
        {
        }
        const std::string& name() const override { return to_->name(); }
        Result<std::vector<redis::Reply>> pipeline(std::string_view commands, std::size_t count,
                                                   Deadline deadline) override
        {
            auto replies = to_->pipeline(commands, count, deadline);
            if (commands.contains("INFO") && ++asked_ == 2)
                for (int i = 0; i < 30; ++i)
                    server_.run({"GET", i < 27 ? "k" : "missing"});
            return replies;
        }

      private:
        std::unique_ptr<RedisSession> to_;
        RedisServer& server_;
        int asked_ = 0;
    };
    class Wrapped final : public RedisServers {
      public:
        Wrapped(std::unique_ptr<RedisServers> to, RedisServer& asked_one)
            : to_(std::move(to)), server_(asked_one)
        {
        }
        std::string identity() const override { return to_->identity(); }
        unsigned database() const override { return to_->database(); }
        Result<std::unique_ptr<RedisSession>> open(Deadline d) override
        {
            TRY_ASSIGN(auto session, to_->open(d));
            return std::make_unique<Busy>(std::move(session), server_);
        }
        Result<std::unique_ptr<RedisSession>> open_at(const std::string& a, Deadline d) override
        {
            return to_->open_at(a, d);
        }
        std::vector<std::string> sentinels() const override { return {}; }
        std::string master() const override { return ""; }
        Result<std::unique_ptr<RedisSession>> open_sentinel(const std::string& a, Deadline d) override
        {
            return to_->open_sentinel(a, d);
        }

      private:
        std::unique_ptr<RedisServers> to_;
        RedisServer& server_;
    };
    world.wrap = [&](std::unique_ptr<RedisServers> real) -> std::unique_ptr<RedisServers> {
        return std::make_unique<Wrapped>(std::move(real), server);
    };
    const auto data = json_of(world.run({"redis", "info", "-o", "json", "--window", "10s"}));
    const auto& item = data["items"][0];
    CHECK(item["hits_per_s"].get<double>() == Approx(2.7));
    CHECK(item["hit_ratio"].get<double>() == Approx(0.9));
    CHECK(item["hit_ratio_total"].get<double>() == Approx(27.0 / 38));
    CHECK(world.run({"redis", "info", "stats"}).out.contains("keyspace_hits"));
    CHECK(world.run({"redis", "info", "nothing"}).code == 4);
}

TEST_CASE(
    "queues under a policy that evicts any key are warned of, and such a policy is refused where they live")
{
    if (redis_missing())
        return;
    RedisServer server({"--maxmemory", "100mb"});
    server.run({"LPUSH", "llm_queue", "job"});
    server.run({"SET", "big", std::string(100'000, 'x')});
    RedisWorld world(server.settings());
    CHECK_FALSE(world.run({"redis", "memory"}).out.contains("llm_queue: use"));
    const std::vector<std::string> set{"redis", "config", "set", "maxmemory-policy", "allkeys-lru", "-y"};
    const auto refused = world.run(set);
    CHECK(refused.code == 3);
    CHECK(refused.err.contains("llm_queue"));
    server.run({"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"});
    const auto warned = world.run({"redis", "memory"});
    INFO(warned.out << warned.err);
    CHECK((warned.out + warned.err).contains("may evict the queues"));
    CHECK((warned.out + warned.err).contains("llm_queue"));
    CHECK((warned.out + warned.err).contains("big (string"));
}

TEST_CASE("a setting is changed, seen, and put back by undo; a secret is not taken")
{
    if (redis_missing())
        return;
    RedisServer server;
    RedisWorld world(server.settings());
    const auto done = world.run({"redis", "config", "set", "maxmemory", "100Mi", "-y", "-o", "json"});
    INFO(done.out << done.err);
    CHECK(done.code == 0);
    CHECK(server.run({"CONFIG", "GET", "maxmemory"}).items[1].text == "104857600");
    const auto id = json_of(done)["operation"].get<std::string>();
    const auto undone = world.run({"undo", id, "-y"});
    INFO(undone.out << undone.err);
    CHECK(undone.code == 0);
    CHECK(server.run({"CONFIG", "GET", "maxmemory"}).items[1].text == "0");
    CHECK(world.run({"redis", "config", "set", "requirepass", "x", "-y"}).code == 2);
    CHECK(world.run({"redis", "config", "set", "no-such-thing", "x", "-y"}).code == 4);
    CHECK(world.run({"redis", "config", "set", "maxclients", "many", "-y"}).code ==
          3); // by the server's word
}

TEST_CASE("a save is done when the time of the last one is later; one that fails is a failure")
{
    if (redis_missing())
        return;
    RedisServer server;
    server.run({"SET", "k", "v"});
    RedisWorld world(server.settings());
    const auto before = server.run({"LASTSAVE"}).integer;
    const auto saved = world.run({"redis", "save"});
    INFO(saved.out << saved.err);
    CHECK(saved.code == 0);
    CHECK(server.run({"LASTSAVE"}).integer > before);
    CHECK(fs::exists(server.folder() / "dump.rdb"));
    // A folder stands where the file is to be.
    fs::remove(server.folder() / "dump.rdb");
    fs::create_directories(server.folder() / "dump.rdb" / "x");
    const auto failed = world.run({"redis", "save"});
    INFO(failed.out << failed.err);
    CHECK(failed.code == 1);
    CHECK(world.run({"redis", "ping"}).code == 13); // it says so as well
    fs::remove_all(server.folder() / "dump.rdb");
    CHECK(world.run({"redis", "save"}).code == 0); // the failure before is not taken for this one's
}

TEST_CASE("keys are counted by prefix, clients and round trips shown")
{
    if (redis_missing())
        return;
    RedisServer server;
    put(server, {"audio:1", "audio:2", "user:1", "plain"});
    RedisWorld world(server.settings());
    const auto keys = json_of(world.run({"redis", "keys", "-o", "json"}));
    CHECK(keys["total"] == 4);
    CHECK(keys["exact"] == true);
    CHECK(keys["items"][0]["name"] == "audio:");
    CHECK(keys["items"][0]["keys"] == 2);
    const auto clients = world.run({"redis", "clients"});
    CHECK(clients.code == 0);
    CHECK((clients.out + clients.err).contains("of 10000 clients"));
    server.run({"CONFIG", "SET", "slowlog-log-slower-than", "0"});
    server.run({"SET", "private-of-anna", "v"});
    const auto latency = world.run({"redis", "latency", "-o", "json"});
    INFO(latency.out << latency.err);
    CHECK(latency.code == 0);
    CHECK_FALSE(latency.out.contains("anna"));
}

TEST_CASE("the sentinels make a replica the master, and all of them name it afterwards")
{
    if (redis_missing())
        return;
    RedisServer master({"--repl-diskless-sync-delay", "0"});
    RedisSentinel sentinel(master.port(), "audio");
    redis::Settings settings;
    settings.sentinels = {redis::parse_address(fmt::format("127.0.0.1:{}", sentinel.port())).value()};
    settings.master = "audio";
    RedisWorld world(settings);
    const auto alone = world.run({"redis", "failover", "-y"});
    INFO(alone.err);
    CHECK(alone.code == 3); // no replica
    RedisServer replica({"--replicaof", fmt::format("127.0.0.1 {}", master.port())});
    REQUIRE(in_step(replica));
    CHECK(world.run({"redis", "ping"}).out.contains(fmt::format("127.0.0.1:{}", master.port())));
    RunResult done;
    CHECK(eventually( // it finds replicas every ten seconds
        [&] {
            done = world.run({"redis", "failover", "-y"});
            return done.code != 3;
        },
        30s));
    INFO(done.out << done.err);
    CHECK(done.code == 0);
    CHECK(replica.run({"ROLE"}).items[0].text == "master");
    CHECK(world.run({"redis", "ping"}).out.contains(fmt::format("127.0.0.1:{}", replica.port())));
    RedisWorld without(replica.settings());
    CHECK(without.run({"redis", "failover", "-y"}).code == 3);
}

TEST_CASE("conduitctl itself reaches a server over TLS as a user of its access list, by its configuration")
{
    if (redis_missing())
        return;
    const auto folder = TempDir::make("conduit-redis-tls").value();
    const auto at = [&](const std::string& name) { return (folder.path() / name).string(); };
    const auto made = run_process(
        {.argv = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                  "-days", "2", "-subj", "/CN=redis", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                  at("key.pem"), "-out", at("cert.pem")}},
        Deadline(30s));
    REQUIRE(made);
    REQUIRE(made->exit_code == 0);
    const auto tls = free_port();
    RedisServer server({"--tls-port", std::to_string(tls), "--tls-cert-file", at("cert.pem"),
                        "--tls-key-file", at("key.pem"), "--tls-ca-cert-file", at("cert.pem"),
                        "--tls-auth-clients", "no"});
    server.run({"ACL", "SETUSER", "ops", "on", ">sesame", "~*", "+@all"});
    server.run({"ACL", "SETUSER", "default", "off"});
    write_file(at("password"), "sesame\n").value();
    fs::create_directories(folder.path() / "conduitctl");
    const auto ping = [&](const std::string& ca) {
        write_file(at("conduitctl/config.yaml"),
                   fmt::format("contexts: {{local: {{redis: {{url: \"rediss://127.0.0.1:{}/0\", user: ops, "
                               "password: \"file:{}\"{}}}}}}}\n",
                               tls, at("password"), ca))
            .value();
        const auto ended = run_process({.argv = {CONDUIT_BIN_DIR "/conduitctl", "redis", "ping"},
                                        .env = {{"XDG_CONFIG_HOME", folder.path().string()},
                                                {"XDG_STATE_HOME", at("state")},
                                                {"XDG_CACHE_HOME", at("cache")}}},
                                       Deadline(60s));
        REQUIRE(ended);
        INFO(ended->out << ended->err);
        CHECK_FALSE((ended->out + ended->err).contains("sesame"));
        return ended->exit_code;
    };
    CHECK(ping(fmt::format(", tls: {{ca: \"{}\"}}", at("cert.pem"))) == 0);
    CHECK(ping("") == 5); // nobody we trust has signed it
}
