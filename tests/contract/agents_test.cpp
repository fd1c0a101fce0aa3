// SPDX-License-Identifier: Apache-2.0
// What the commands rely on, held against the fake agents and against a real one: one body, two worlds.
#include "agent/admin/schema.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_agents.hpp"
#include "tests/support/real_agent.hpp"
#include "tests/support/wait.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::test;

namespace {

const Deadline k_soon = Deadline::never();

struct World {
    explicit World(const std::string& kind)
    {
        if (kind == "real") {
            real = std::make_unique<RealAgent>();
            made = real->agents();
        } else {
            made = std::make_unique<FakeAgents>(system_clock(), 1);
        }
    }
    Result<JsonBox> get(const std::string& path, std::multimap<std::string, std::string> query = {})
    {
        return made->ask({.path = path, .query = std::move(query)}, k_soon);
    }
    Result<JsonBox> patch(Json body)
    {
        for (const auto* key : {"set", "expect"})
            if (!body.contains(key))
                body[key] = Json::object();
        if (!body.contains("unset"))
            body["unset"] = Json::array();
        return made->ask({.method = "PATCH", .path = "/admin/v1/state", .body = std::move(body)}, k_soon);
    }
    Json state()
    {
        const auto body = get("/admin/v1/state");
        REQUIRE(body);
        return **body;
    }
    std::unique_ptr<RealAgent> real;
    std::unique_ptr<Agents> made;
};

const Json* item_at(const Json& state, const std::string& path)
{
    for (const auto& item : state["items"])
        if (item["path"] == path)
            return &item;
    return nullptr;
}

const std::string k_weight = "providers/openai/weight";

} // namespace

TEST_CASE("a patch sets what is expected, once for each operation, and is found again by it")
{
    World w(GENERATE("fake", "real"));
    const auto before = w.state()["revision"].get<std::uint64_t>();
    const Json body{{"set", {{k_weight, 50}}}, {"expect", {{k_weight, nullptr}}},
                    {"actor", "maria"},        {"reason", "high latency"},
                    {"operation", "OP/1"},     {"force", false}};
    const auto first = w.patch(body);
    REQUIRE(first);
    CHECK((**first)["revision"] == before + 1);
    CHECK((**first)["changed"] == true);
    const auto state = w.state();
    const auto* item = item_at(state, k_weight);
    REQUIRE(item != nullptr);
    CHECK((*item)["value"] == 50);
    CHECK((*item)["actor"] == "maria");
    CHECK((*item)["reason"] == "high latency");
    CHECK((*item)["operation"] == "OP/1");
    CHECK((*item)["expires_at"].is_null());

    const auto again = w.patch(body); // a repeated key answers as it did then
    REQUIRE(again);
    CHECK((**again)["revision"] == before + 1);
    CHECK((**again)["changed"] == false);
    CHECK(w.state()["revision"] == before + 1);

    const auto found = w.get("/admin/v1/history", {{"operation", "OP/1"}, {"limit", "1"}});
    REQUIRE(found);
    REQUIRE((**found)["items"].size() == 1);
    CHECK((**found)["items"][0]["revision"] == before + 1);
    CHECK((**w.get("/admin/v1/history", {{"operation", "OP/2"}}))["items"].empty());
}

TEST_CASE("a patch of a field that somebody else wrote is stale, names it, and writes nothing")
{
    World w(GENERATE("fake", "real"));
    REQUIRE(w.patch({{"set", {{k_weight, 50}}}, {"actor", "bob"}, {"operation", "B/1"}}));
    const auto before = w.state();
    const auto refused = w.patch({{"set", {{k_weight, 60}, {"providers/google/weight", 40}}},
                                  {"expect", {{k_weight, nullptr}, {"providers/google/weight", nullptr}}},
                                  {"actor", "maria"},
                                  {"operation", "OP/1"}});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::stale);
    CHECK(refused.error().details.at("path") == k_weight);
    CHECK(refused.error().details.at("actor") == "bob");
    CHECK(w.state() == before);
}

TEST_CASE("what is unset is gone, and the base configuration decides again")
{
    World w(GENERATE("fake", "real"));
    REQUIRE(w.patch({{"set", {{k_weight, 50}}}, {"operation", "A/1"}}));
    CHECK((**w.get("/admin/v1/state/effective", {{"path", k_weight}}))["values"][k_weight] == 50);
    REQUIRE(w.patch({{"unset", {k_weight}}, {"expect", {{k_weight, 50}}}, {"operation", "B/1"}}));
    CHECK(item_at(w.state(), k_weight) == nullptr);
    const auto now = w.get("/admin/v1/state/effective", {{"path", k_weight}});
    REQUIRE(now);
    CHECK((**now)["values"][k_weight] == 70);
    CHECK((**now)["overrides"][k_weight].is_null());
}

TEST_CASE("a value with an end ends by itself")
{
    World w(GENERATE("fake", "real"));
    REQUIRE(w.patch({{"set", {{k_weight, 50}}}, {"operation", "A/1"}, {"expires_in_ms", 300}}));
    const auto state = w.state();
    REQUIRE(item_at(state, k_weight) != nullptr);
    CHECK((*item_at(state, k_weight))["expires_at"].is_string());
    CHECK(eventually([&] { return item_at(w.state(), k_weight) == nullptr; }));
}

TEST_CASE("each value of one change has its own end")
{
    World w(GENERATE("fake", "real"));
    constexpr auto k_other = "cache/ttl/speech";
    REQUIRE(w.patch({{"set", {{k_weight, 50}, {k_other, "2h"}}}, {"expires_each_ms", {{k_weight, 300}}}}));
    CHECK((*item_at(w.state(), k_weight))["expires_at"].is_string());
    CHECK((*item_at(w.state(), k_other))["expires_at"].is_null());
    CHECK(eventually([&] { return item_at(w.state(), k_weight) == nullptr; }));
    CHECK(item_at(w.state(), k_other) != nullptr);
}

TEST_CASE("unknown names are not found")
{
    World w(GENERATE("fake", "real"));
    for (const auto* path : {"providers/opnai/weight", "providers/openai/wait", "cache/tll/speech", "tea"}) {
        INFO(path);
        const auto read = w.get("/admin/v1/state/effective", {{"path", path}});
        REQUIRE_FALSE(read);
        CHECK(read.error().kind == ErrorKind::not_found);
        const auto written = w.patch({{"set", {{path, 1}}}, {"operation", "A/1"}});
        REQUIRE_FALSE(written);
        CHECK(written.error().kind == ErrorKind::not_found);
    }
    CHECK(w.get("/admin/v1/tea").error().kind == ErrorKind::not_found);
}

TEST_CASE("every path that the commands write has a value, and takes one")
{
    World w(GENERATE("fake", "real"));
    const std::vector<std::pair<std::string, Json>> writes{
        {"providers/openai/enabled", false},
        {"providers/openai/max_connections", 10},
        {"providers/openai/max_concurrent", 10},
        {"providers/openai/timeout", "90s"},
        {"providers/openai/first_byte_timeout", "5s"},
        {"providers/openai/regions/eu", "https://eu.example"},
        {"providers/openai/circuit_epoch", 1},
        {"pool/reset_epoch", 1},
        {"pool/max_idle", "5m"},
        {"pool/connect_timeout", "10s"},
        {"cache/ttl/speech", "2h"},
        {"cache/ttl/transcription", "2h"},
        {"cache/max_bytes", 1048576},
        {"cache/enabled", false},
        {"cache/clear", {{"epoch", 1}, {"prefix", "audio:tts:"}}},
        {"limits/per_key", "50/s"},
        {"limits/global", "500/s"},
        {"limits/keys/team-a", "5/s"},
        {"limits/emergency", {{"requests_per_minute", 100}}},
        {"safety/emergency", true},
        {"blocklist/team-a", {{"reason", "runaway loop"}}},
    };
    for (const auto& [path, value] : writes) {
        INFO(path);
        const auto now = w.get("/admin/v1/state/effective", {{"path", path}});
        REQUIRE(now);
        CHECK((**now)["values"].contains(path));
        const auto written = w.patch({{"set", {{path, value}}}, {"operation", "W-" + path}});
        INFO((written ? "" : written.error().message));
        REQUIRE(written);
        const auto then = w.get("/admin/v1/state/effective", {{"path", path}});
        REQUIRE(then);
        CHECK((**then)["overrides"][path] == value);
    }
}

TEST_CASE("every answer that the commands read has the documented form")
{
    World w(GENERATE("fake", "real"));
    REQUIRE(w.patch({{"set", {{k_weight, 50}, {"blocklist/team-a", {{"reason", "x"}}}}},
                     {"actor", "maria"},
                     {"operation", "A/1"}}));
    const std::vector<std::pair<std::string, std::string>> reads{
        {"/admin/v1/replica", "Replica"}, {"/admin/v1/providers", "Providers"},
        {"/admin/v1/state", "State"},     {"/admin/v1/history", "History"},
        {"/admin/v1/pool", "Pools"},      {"/admin/v1/connections", "Connections"},
        {"/admin/v1/cache", "Cache"},     {"/admin/v1/cache/keys", "CacheKeys"},
        {"/admin/v1/limits", "Limits"},   {"/admin/v1/blocklist", "Blocklist"},
        {"/admin/v1/usage", "Usage"},     {"/admin/v1/safety", "Safety"},
        {"/admin/v1/summary", "Summary"}, {"/admin/v1/config", "Config"},
    };
    for (const auto& [path, component] : reads) {
        INFO(path);
        std::multimap<std::string, std::string> query;
        if (path == "/admin/v1/usage")
            query = {{"by", "key"}};
        const auto body = w.get(path, query);
        INFO((body ? "" : body.error().message));
        REQUIRE(body);
        const auto fits = agent::check_schema(agent::component_schemas()[component], **body, component);
        INFO((fits ? "" : fits.error().message));
        CHECK(fits);
    }
    const auto probe = w.made->ask({.method = "POST",
                                    .path = "/admin/v1/safety/test",
                                    .body = Json{{"text", "good morning"}, {"age_group", "adult"}}},
                                   k_soon);
    REQUIRE(probe);
    CHECK(agent::check_schema(agent::component_schemas()["SafetyVerdict"], **probe, "verdict"));
    const auto test = w.made->ask({.method = "POST",
                                   .path = "/admin/v1/providers/openai/test",
                                   .body = Json{{"billed", false}, {"timeout_ms", 500}}},
                                  k_soon);
    REQUIRE(test);
    CHECK(agent::check_schema(agent::component_schemas()["TestResult"], **test, "result"));
}

TEST_CASE("a call says when it has left, before its answer is there")
{
    World w(GENERATE("fake", "real"));
    int left = 0;
    const auto answer = w.made->ask({.method = "PATCH",
                                     .path = "/admin/v1/state",
                                     .body = Json{{"set", {{k_weight, 50}}},
                                                  {"unset", Json::array()},
                                                  {"expect", Json::object()},
                                                  {"operation", "A/1"}},
                                     .on_sent = [&] { ++left; }},
                                    k_soon);
    REQUIRE(answer);
    CHECK(left == 1);
}

TEST_CASE("a wrong token and a viewer's are not allowed to write")
{
    RealAgent real;
    for (const auto* token : {"wrong", "viewer-secret"}) {
        const auto agents = real.agents(nullptr, token);
        const auto answer = agents->ask({.method = "PATCH",
                                         .path = "/admin/v1/state",
                                         .body = Json{{"set", {{k_weight, 50}}}, {"operation", "A/1"}}},
                                        k_soon);
        REQUIRE_FALSE(answer);
        CHECK(answer.error().kind == ErrorKind::auth);
    }
}
