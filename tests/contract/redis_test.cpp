// SPDX-License-Identifier: Apache-2.0
// The client against a real server: who is let in, over what, and to whom it goes after a failover. And the
// agent's shared cache and limits, the same body against the fake and the real one.
#include "agent/cache/entry_codec.hpp"
#include "agent/cache/shared_cache.hpp"
#include "agent/control/snapshot.hpp"
#include "agent/limits/shared_limits.hpp"
#include "agent/redis/link.hpp"
#include "core/process.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_redis.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/wait.hpp"

#include <fmt/format.h>
#include <future>

using namespace conduit;
using namespace conduit::agent;
using namespace conduit::test;

namespace {

struct Certificates {
    TempDir folder = TempDir::make("conduit-redis-tls").value();
    fs::path at(const std::string& name) const { return folder.path() / name; }
    void openssl(std::vector<std::string> words) const
    {
        words.insert(words.begin(), "openssl");
        const auto ended = run_process({.argv = words, .cwd = folder.path()}, Deadline(30s));
        REQUIRE(ended);
        REQUIRE(ended->exit_code == 0);
    }
    void authority(const std::string& name) const
    {
        openssl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                 "2", "-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name + ".pem"});
    }
    void server(const std::string& ca) const
    {
        write_file(at("ext"), "subjectAltName=IP:127.0.0.1,DNS:cache.test\n").value();
        openssl({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                 "/CN=redis", "-keyout", "server.key", "-out", "server.csr"});
        openssl({"x509", "-req", "-in", "server.csr", "-CA", ca + ".pem", "-CAkey", ca + ".key",
                 "-CAcreateserial", "-days", "2", "-extfile", "ext", "-out", "server.pem"});
    }
};

std::string failure(const redis::Settings& settings)
{
    const auto open = redis::Connection::open(settings, Deadline(5s));
    return open ? "" : open.error().message;
}

SharedHit look(SharedCache& cache, const std::string& key, std::uint64_t mark = 0)
{
    std::promise<SharedHit> found;
    cache.get(key, mark, 1h, 5s, [&](SharedHit hit) { found.set_value(std::move(hit)); });
    return found.get_future().get();
}

CachedPtr answer(std::string body)
{
    return std::make_shared<const CachedAnswer>(CachedAnswer{"audio/mpeg", std::move(body), "openai", 1.5});
}

std::string key(const std::string& name)
{
    return "audio:tts:" + name;
}

void cache_behaves(RedisPort& port, const std::function<void(const std::string&, const std::string&)>& set)
{
    SharedCache one({port, port, system_clock()});
    SharedCache two({port, port, system_clock()});
    one.note({}, true);
    two.note({}, true);
    CHECK_FALSE(look(one, key("a")).answer);

    const auto body = std::string("\0\r\n$5\r\n", 7) + std::string(300'000, 'x');
    one.put(key("a"), answer(body), 10min, 0);
    REQUIRE(eventually([&] { return look(two, key("a")).answer != nullptr; }));
    const auto hit = look(two, key("a"));
    CHECK(hit.answer->body == body);
    CHECK(hit.answer->provider == "openai");
    CHECK(hit.ttl > 9min);
    CHECK(hit.ttl <= 10min);

    set(key("foreign"), "a value of somebody else");
    CHECK_FALSE(look(one, key("foreign")).answer);
    CHECK(one.stats().unusable == 1);

    const auto listed = two.list("audio:tts:", 0, 10, 5s); // the foreign one is no entry
    REQUIRE(listed);
    REQUIRE(listed->size() == 1);
    CHECK(listed->front().bytes > body.size());
    CHECK(listed->front().expires_in > 9min);

    // A clear: dead for whoever knows of it at once, its keys removed by one of the two.
    set("other:key", "stays");
    one.put("audio:stt:b", answer("text"), 10min, 0);
    REQUIRE(eventually([&] { return look(two, "audio:stt:b").answer != nullptr; }));
    one.note({5, 1, "audio:tts:"}, true);
    CHECK_FALSE(look(one, key("a"), 5).answer);
    two.note({5, 1, "audio:tts:"}, true);
    CHECK_FALSE(look(two, key("a"), 5).answer);
    REQUIRE(eventually([&] { return one.last_sweep().state == Sweep::State::done; }));
    CHECK(one.last_sweep().removed == 2);
    CHECK(eventually([&] { return two.last_sweep().state == Sweep::State::elsewhere; }));
    CHECK(two.list("audio:tts:", 5, 10, 5s)->empty());
    CHECK(look(two, "audio:stt:b", 5).answer);

    // What a request from before the clear leaves afterwards is dead too.
    one.put(key("late"), answer("old"), 10min, 0);
    one.put(key("new"), answer("new"), 10min, 5);
    REQUIRE(eventually([&] { return look(two, key("new"), 5).answer != nullptr; }));
    CHECK_FALSE(look(two, key("late"), 5).answer);
    CHECK(two.list("audio:tts:", 5, 10, 5s)->size() == 1);
}

LimitVerdict take(SharedLimits& limits, const std::shared_ptr<const Snapshot>& snapshot)
{
    if (auto verdict = limits.take(*snapshot, nullptr, std::chrono::steady_clock::now()))
        return *verdict;
    std::promise<LimitVerdict> done;
    limits.ask(snapshot, nullptr, 5s, [&](LimitVerdict verdict) { done.set_value(verdict); });
    return done.get_future().get();
}

std::shared_ptr<Snapshot> with_global(const char* rate, std::uint32_t replicas)
{
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->config.limits.global = parse_rate(rate).value();
    snapshot->replicas = replicas;
    return snapshot;
}

void limits_behave(RedisPort& port, const std::function<void()>& forget)
{
    Limiter first, second;
    SharedLimits one(port, first), two(port, second);
    const auto hour = with_global("100/h", 2); // a burst of 10, and one every 36 s
    int passed = 0;
    for (int i = 0; i < 30; ++i)
        passed += take(i % 2 == 0 ? one : two, hour).allowed() ? 1 : 0;
    CHECK(passed == 10);
    const auto refused = take(one, hour);
    CHECK(refused.refused_by == LimitReason::global);
    CHECK(refused.retry_after > 0s);
    CHECK(refused.retry_after <= 36s);
    CHECK(one.stats().asked + two.stats().asked >= 10);

    // Emergency before global: neither takes a token when the other refuses.
    const auto emergency = with_global("0", 2);
    emergency->emergency_rpm = 60;
    CHECK(take(one, emergency).allowed());
    CHECK(take(two, emergency).refused_by == LimitReason::emergency);

    // Fast ones take some in advance, and the sum stays within count and burst.
    forget();
    Limiter third, fourth;
    SharedLimits three(port, third), four(port, fourth);
    const auto fast = with_global("0", 2);
    fast->emergency_rpm = 60'000; // 1000 a second, as many at once
    std::atomic<int> through{0};
    const auto began = std::chrono::steady_clock::now();
    {
        std::vector<std::jthread> threads;
        for (auto* limits : {&three, &three, &four, &four})
            threads.emplace_back([&, limits] {
                for (int i = 0; i < 1500; ++i)
                    through += take(*limits, fast).allowed() ? 1 : 0;
            });
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    CHECK(through >= 1000 - 2 * 64);
    CHECK(through <= 1000 + static_cast<int>(seconds * 1000) + 2 * 64 + 1);
    CHECK(three.stats().asked + four.stats().asked < 6000);
}

} // namespace

TEST_CASE("the shared cache behaves the same over the fake and a real Redis")
{
    {
        FakeRedis fake;
        cache_behaves(fake, [&](const std::string& k, const std::string& v) { fake.set(k, v); });
    }
    if (redis_missing())
        return;
    RedisServer server;
    RedisLink link;
    link.configure(server.settings());
    REQUIRE(eventually([&] { return link.up(); }));
    cache_behaves(link, [&](const std::string& k, const std::string& v) { server.run({"SET", k, v}); });
    CHECK(server.run({"GET", "other:key"}).text == "stays");
    CHECK(server.run({"PTTL", "audio:stt:b"}).integer > 0);
}

TEST_CASE("the shared limits behave the same over the fake and a real Redis")
{
    {
        FakeRedis fake;
        limits_behave(fake, [&] { fake.forget(); });
    }
    if (redis_missing())
        return;
    RedisServer server;
    RedisLink link;
    link.configure(server.settings());
    REQUIRE(eventually([&] { return link.up(); }));
    limits_behave(link, [&] { server.run({"FLUSHALL"}); });
}

TEST_CASE("without Redis the share of a replica decides, and it has been counting along")
{
    FakeRedis fake;
    Limiter limiter;
    SharedLimits limits(fake, limiter);
    const auto hour = with_global("100/h", 2); // shared: 10 at once; a share: 5
    for (int i = 0; i < 5; ++i)
        CHECK(take(limits, hour).allowed());
    fake.set_up(false);
    CHECK_FALSE(take(limits, hour).allowed()); // its share is spent
    CHECK(limits.stats().fallbacks == 1);
    fake.set_up(true);
    CHECK(take(limits, hour).allowed());

    Limiter fresh;
    SharedLimits away(fake, fresh);
    fake.set_up(false);
    int passed = 0;
    for (int i = 0; i < 20; ++i)
        passed += take(away, hour).allowed() ? 1 : 0;
    CHECK(passed == 5);
}

TEST_CASE("a key of a limit that holds something else does not refuse anybody")
{
    if (redis_missing())
        return;
    RedisServer server;
    RedisLink link;
    link.configure(server.settings());
    REQUIRE(eventually([&] { return link.up(); }));
    Limiter limiter;
    SharedLimits limits(link, limiter);
    const auto hour = with_global("100/h", 1);
    server.run({"LPUSH", "conduit:limit:global", "x"});
    CHECK(take(limits, hour).allowed()); // by the own share
    server.run({"DEL", "conduit:limit:global"});
    server.run({"SET", "conduit:limit:global", "99999999999999999999"}); // far ahead: a burst is owed at most
    const auto verdict = take(limits, hour);
    CHECK_FALSE(verdict.allowed());
    CHECK(verdict.retry_after <= 36s);
    server.run({"SET", "conduit:limit:global", "not a number"});
    CHECK(eventually([&] { return take(limits, hour).allowed(); }));
}

TEST_CASE("a large value that is foreign to us is a miss, and a full Redis refuses nobody")
{
    if (redis_missing())
        return;
    RedisServer server({"--maxmemory", "3mb", "--maxmemory-policy", "noeviction"});
    RedisLink link;
    link.configure(server.settings());
    REQUIRE(eventually([&] { return link.up(); }));
    SharedCache cache({link, link, system_clock()});
    cache.note({}, true);
    for (int i = 0; i < 20; ++i)
        cache.put(key(std::to_string(i)), answer(std::string(400'000, 'x')), 10min, 0);
    REQUIRE(eventually([&] { return cache.stats().failures > 0 && cache.stats().writes > 0; }));
    CHECK(link.up()); // OOM is an answer
    CHECK_FALSE(look(cache, key("19")).answer);
}

TEST_CASE("a password and a user of the access list are asked for and checked")
{
    if (redis_missing())
        return;
    RedisServer server({"--requirepass", "main-secret", "--user", "conduit", "on", ">agent-secret",
                        "~audio:*", "~conduit:*", "+@all"});
    auto settings = server.settings();
    CHECK(failure(settings).contains("NOAUTH"));
    settings.identity.password = "wrong-secret";
    const auto refused = redis::Connection::open(settings, Deadline(5s));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::auth);
    CHECK_FALSE(refused.error().message.contains("wrong-secret"));
    settings.identity.password = "main-secret";
    CHECK(failure(settings).empty());
    settings.identity = {"conduit", "agent-secret"};
    CHECK(failure(settings).empty());
    settings.identity = {"nobody", "agent-secret"};
    CHECK(failure(settings).contains("WRONGPASS"));

    // A rotated password: the link goes on with the new one.
    RedisLink link({.first_pause = 5ms, .longest_pause = 50ms});
    settings.identity = {"", "wrong-secret"};
    link.configure(settings);
    REQUIRE(eventually([&] { return link.state().error.contains("does not let us in"); }));
    settings.identity.password = "main-secret";
    link.configure(settings);
    CHECK(eventually([&] { return link.up(); }));
}

TEST_CASE("a database of its own is chosen at every connection")
{
    if (redis_missing())
        return;
    RedisServer server;
    auto settings = server.settings();
    settings.database = 3;
    const auto three = redis::Connection::open(settings, Deadline(5s)).value();
    REQUIRE(three->call({"SET", "k", "v"}, Deadline(5s)));
    CHECK(server.run({"GET", "k"}).is_nil());
    settings.database = 99;
    CHECK(failure(settings).contains("database 99"));
}

TEST_CASE("TLS is verified: authority, name, and a certificate of ours when the server wants one")
{
    if (redis_missing())
        return;
    Certificates files;
    files.authority("ca");
    files.authority("other");
    files.server("ca");
    const auto tls_port = free_port();
    RedisServer server({"--tls-port", std::to_string(tls_port), "--tls-cert-file", files.at("server.pem"),
                        "--tls-key-file", files.at("server.key"), "--tls-ca-cert-file", files.at("ca.pem"),
                        "--tls-auth-clients", "yes"});
    redis::Settings settings;
    settings.address = redis::parse_address(fmt::format("127.0.0.1:{}", tls_port)).value();
    CHECK_FALSE(failure(settings).empty()); // plain
    settings.tls = {.on = true, .ca = files.at("ca.pem")};
    CHECK_FALSE(failure(settings).empty()); // no certificate of ours
    settings.tls.certificate = files.at("server.pem");
    settings.tls.key = files.at("server.key");
    CHECK(failure(settings).empty());
    settings.tls.server_name = "cache.test";
    CHECK(failure(settings).empty());
    settings.tls.server_name = "elsewhere.test";
    CHECK(failure(settings).contains("not trusted"));
    settings.tls.server_name.clear();
    settings.tls.ca = files.at("other.pem");
    CHECK(failure(settings).contains("not trusted"));
    settings.tls.ca = files.at("missing.pem");
    CHECK(failure(settings).contains("missing.pem"));
    settings.tls.ca.clear();
    settings.tls.verify = false;
    CHECK(failure(settings).empty());

    settings.tls = {.on = true,
                    .ca = files.at("ca.pem"),
                    .certificate = files.at("server.pem"),
                    .key = files.at("server.key")};
    RedisLink link;
    link.configure(settings);
    REQUIRE(eventually([&] { return link.up(); }));
    SharedCache cache({link, link, system_clock()});
    cache.note({}, true);
    cache.put(key("big"), answer(std::string(3'000'000, 'y')), 10min, 0);
    REQUIRE(eventually([&] { return look(cache, key("big")).answer != nullptr; }));
    CHECK(look(cache, key("big")).answer->body.size() == 3'000'000);
}

TEST_CASE("with sentinels the link follows a failover, and believes no replica that is named master")
{
    if (redis_missing())
        return;
    RedisServer master;
    RedisServer replica({"--replicaof", fmt::format("127.0.0.1 {}", master.port())});
    REQUIRE(eventually(
        [&] { return replica.run({"INFO", "replication"}).text.contains("master_link_status:up"); }, 20s));
    RedisSentinel sentinel(master.port(), "cache");
    redis::Settings settings;
    settings.master = "cache";
    settings.sentinels = {
        redis::parse_address(fmt::format("127.0.0.1:{}", free_port())).value(), // one that is gone
        redis::parse_address(fmt::format("127.0.0.1:{}", sentinel.port())).value()};
    REQUIRE(eventually([&] { return failure(settings).empty(); }));
    CHECK(redis::find_master(settings, Deadline(5s))->port == master.port());
    auto unknown = settings;
    unknown.master = "nobody";
    CHECK(failure(unknown).contains("knows no master named nobody"));
    // A sentinel that has not seen the replica yet could not promote it.
    const auto connection =
        redis::Connection::open_at(settings.sentinels[1], {}, settings, Deadline(5s)).value();
    REQUIRE(eventually(
        [&] {
            return !connection->call({"SENTINEL", "REPLICAS", "cache"}, Deadline(5s)).value().items.empty();
        },
        30s));

    RedisLink link({.first_pause = 20ms, .longest_pause = 200ms});
    link.configure(settings);
    REQUIRE(eventually([&] { return link.up(); }));
    REQUIRE(link.ask(redis::command({"SET", "k", "v"}), 5s));
    master.kill(SIGKILL);
    CHECK(eventually([&] { return !link.up(); }));
    REQUIRE(eventually([&] { return link.ask(redis::command({"SET", "k", "w"}), 1s).has_value(); }, 40s));
    CHECK(link.state().where == fmt::format("127.0.0.1:{}", replica.port()));
}
