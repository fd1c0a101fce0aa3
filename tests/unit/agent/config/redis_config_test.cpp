// SPDX-License-Identifier: Apache-2.0
#include "agent/config/config.hpp"
#include "tests/support/catch.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::agent;

namespace {

std::expected<Config, std::vector<Error>> parse(const std::string& redis, const std::string& more = {})
{
    ::setenv("CONDUIT_TEST_REDIS", "redis-secret", 1);
    return parse_config("providers:\n  own: {kind: openai, endpoint: 'http://127.0.0.1:9000'}\n" + redis +
                            more,
                        "/etc/conduit/agent.yaml");
}

std::string faults(const std::string& redis, const std::string& more = {})
{
    const auto parsed = parse(redis, more);
    std::string text;
    if (!parsed)
        for (const auto& error : parsed.error())
            text += error.message + "\n";
    return text;
}

} // namespace

TEST_CASE("a named Redis is shared for cache and limits unless one of them is kept here")
{
    const auto config = parse("redis: {address: 'cache.example:7000', username: conduit, password_ref: "
                              "'env:CONDUIT_TEST_REDIS', database: 2, deadline: 20ms, tls: {ca: ca.pem}}\n",
                              "limits: {store: local}\n");
    REQUIRE(config);
    CHECK(config->redis.on);
    CHECK(config->redis.settings.address.text == "cache.example:7000");
    CHECK(config->redis.settings.identity == redis::Identity{"conduit", "redis-secret"});
    CHECK(config->redis.settings.database == 2);
    CHECK(config->redis.settings.tls.on);
    CHECK(config->redis.settings.tls.ca == "/etc/conduit/ca.pem");
    CHECK(config->redis.deadline == 20ms);
    CHECK(config->cache.store == "redis");
    CHECK(config->limits.store == "local");
    const auto shown = dump_json(config_json(*config));
    CHECK_FALSE(shown.contains("redis-secret"));
    CHECK(shown.contains("cache.example:7000"));

    const auto without = parse("");
    REQUIRE(without);
    CHECK_FALSE(without->redis.on);
    CHECK(without->cache.store == "memory");
    CHECK(config_json(*without)["redis"].is_null());
    CHECK(parse("redis: {url: 'rediss://cache:6380/4'}\n")->redis.settings.tls.on);
}

TEST_CASE("sentinels are a list with the name of the master")
{
    const auto config =
        parse("redis: {sentinels: [s1, 's2:1234', '[::1]'], master: cache, sentinel_password_ref: "
              "'env:CONDUIT_TEST_REDIS'}\n");
    REQUIRE(config);
    const auto& settings = config->redis.settings;
    REQUIRE(settings.sentinels.size() == 3);
    CHECK(settings.sentinels[0].text == "s1:26379");
    CHECK(settings.sentinels[1].port == 1234);
    CHECK(settings.master == "cache");
    CHECK(settings.sentinel_identity.password == "redis-secret");
}

TEST_CASE("faults of a redis section name their line and what to write")
{
    CHECK(faults("redis: {}\n").contains("/etc/conduit/agent.yaml:3"));
    CHECK(faults("redis: {}\n").contains("no server is named"));
    CHECK(faults("redis: {address: ':1'}\n").contains("no address of a Redis server"));
    CHECK(faults("redis: {url: 'http://x'}\n").contains("no URL of a Redis server"));
    const auto secret = faults("redis: {url: 'redis://:hunter2@x'}\n");
    CHECK(secret.contains("does not belong in the URL"));
    CHECK_FALSE(secret.contains("hunter2"));
    CHECK(faults("redis: {url: 'redis://x', address: y}\n").contains("both name the server"));
    CHECK(faults("redis: {sentinels: [a]}\n").contains("needs 'master'"));
    CHECK(faults("redis: {sentinels: [], master: m}\n").contains("list of 1 to 16"));
    CHECK(faults("redis: {sentinels: [a], master: m, address: b}\n").contains("both a server and sentinels"));
    CHECK(faults("redis: {address: a, password_ref: plain}\n").contains("named here, not written"));
    CHECK(faults("redis: {address: a, username: u}\n").contains("a user without a password"));
    CHECK(faults("redis: {address: a, tls: {certificate: c}}\n").contains("belong together"));
    CHECK(faults("redis: {address: a, adress: b}\n").contains("adress"));
    CHECK(faults("redis: {address: a, database: -1}\n").contains("'database'"));
    CHECK(faults("cache: {store: redis}\n").contains("none is named"));
    CHECK(faults("limits: {store: redis}\n").contains("none is named"));
    for (const auto* hostile : {"redis: []\n", "redis: 5\n", "redis: {sentinels: {a: b}, master: [x]}\n",
                                "redis: {address: [1, 2], tls: yes}\n", "redis: {address: \"\\0\"}\n"})
        CHECK_FALSE(faults(hostile).empty());
}
