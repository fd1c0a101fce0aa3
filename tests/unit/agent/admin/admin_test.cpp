// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/call.hpp"
#include "agent/admin/schema.hpp"
#include "core/text.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/agent_data_plane.hpp"
#include "tests/support/fakes/agent_store.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thread>

using namespace conduit;
using namespace conduit::agent;

namespace {

struct Fixture {
    TempDir dir = *TempDir::make("admin");
    Limiter limiter;
    HealthBoard health;
    Metrics metrics{1};
    test::FakeRecords records;
    std::unique_ptr<Cache> cache = make_memory_cache(1U << 20U);
    test::FakeDataPlane plane;
    std::atomic<bool> away{false};
    std::unique_ptr<Controller> controller = start();
    AdminApi api{AdminServices{*controller, health, metrics, records, *cache, limiter, plane, plane,
                               system_clock(), "0.1.0", system_clock().now()}};

    std::unique_ptr<Controller> start()
    {
        const auto write = [&](const char* name, const std::string& text) {
            REQUIRE(write_file(dir.path() / name, text));
        };
        write("secret", "planted-secret\n");
        write("keys", fmt::format("- {{name: team-a, sha256: {}}}\n", sha256_hex("key-a")));
        write("tokens", fmt::format("- {{name: ops, scope: operator, sha256: {}}}\n"
                                    "- {{name: grafana, scope: viewer, sha256: {}}}\n",
                                    sha256_hex("op"), sha256_hex("view")));
        write("agent.yaml", "providers:\n  openai: {kind: openai, weight: 70, key: 'file:secret'}\n"
                            "  google: {kind: google, weight: 10, key: 'file:secret'}\n"
                            "keys: {file: keys}\nadmin: {tokens: tokens}\n");
        auto config = load_config(dir.path() / "agent.yaml");
        REQUIRE(config);
        auto store = make_sqlite_store((dir.path() / "control.db").string(), system_clock());
        REQUIRE(store);
        Controller::Options options;
        options.base = *config;
        options.replica_name = "r1";
        options.poll_interval = Duration{10};
        auto made = Controller::start(std::move(options),
                                      std::make_unique<test::BreakableStore>(std::move(*store), away),
                                      limiter, system_clock(), [](const auto&, const auto&) {});
        REQUIRE(made);
        const Deadline deadline(Duration{10'000});
        while (!(*made)->status().ready && !deadline.passed())
            std::this_thread::yield();
        return std::move(*made);
    }

    AdminResponse send(const std::string& method, const std::string& target, const std::string& body = {},
                       HeaderList headers = {{"Authorization", "Bearer op"}}, bool admin_port = true)
    {
        const auto question = target.find('?');
        return api.handle({method, target.substr(0, question),
                           question == std::string::npos ? "" : target.substr(question + 1),
                           std::move(headers), body, admin_port});
    }
    static Json json(const AdminResponse& response)
    {
        const auto parsed = parse_json(response.body);
        INFO(response.body);
        REQUIRE(parsed);
        return *parsed;
    }
    static std::string code(const AdminResponse& response) { return json(response)["error"]["code"]; }
    int weight() const { return find_provider(controller->snapshot()->config, "openai")->weight; }
};

// A request body that each kind of request accepts.
std::string example(std::string_view request)
{
    const std::map<std::string_view, std::string> bodies{
        {"Patch", R"({"set":{"providers/openai/weight":5},"reason":"test"})"},
        {"JournalLine", R"({"line":"{}"})"},
        {"WarmRequest", R"({"items":[{"model":"tts-1","voice":"alloy","input":"Hello."}]})"},
        {"SafetyTest", R"({"text":"hello"})"},
        {"EmergencyRequest", R"({"requestsPerMinute":100})"},
        {"BlockRequest", R"({"apiKey":"key-a"})"},
        {"ModelsRequest",
         R"({"models":["gpt-4"],"items":[{"model":"tts-1","voice":"alloy","input":"Hello."}]})"},
        {"ProviderConfigRequest",
         R"({"provider":"openai","regionalEndpoints":{"us-east":"https://api.openai.com"}})"},
    };
    const auto it = bodies.find(request);
    return it == bodies.end() ? "" : it->second;
}

std::string concrete(const Route& route)
{
    auto path = replace_all(std::string(route.pattern), "{provider}", "openai");
    path = replace_all(path, "{id}", "team-a");
    return route.pattern == "/admin/v1/state/effective" ? path + "?path=providers/openai/weight" : path;
}

} // namespace

TEST_CASE_METHOD(Fixture, "every route of the table answers as the OpenAPI document says")
{
    const auto document = json(send("GET", "/admin/v1/openapi.json"));
    CHECK(document["openapi"] == "3.1.0");
    for (const auto& route : all_routes()) {
        INFO(route.method << " " << route.pattern);
        const auto& operation = document["paths"][std::string(route.pattern)][to_lower(route.method)];
        REQUIRE(operation.is_object());
        const auto response = send(std::string(route.method), concrete(route), example(route.request));
        INFO(response.body.substr(0, 2000));
        CHECK(response.status == 200);
        const auto& content = operation["responses"]["200"]["content"];
        if (route.response == "text") {
            CHECK(response.content_type.starts_with("text/plain"));
            CHECK(content.contains("text/plain"));
            continue;
        }
        const auto fits = check_schema(content["application/json"]["schema"], json(response), "answer");
        INFO((fits ? std::string() : fits.error().message));
        CHECK(fits);
    }
}

TEST_CASE_METHOD(Fixture, "who sends no valid token learns nothing, and a viewer changes nothing")
{
    for (const auto& route : all_routes()) {
        INFO(route.method << " " << route.pattern);
        const auto none = send(std::string(route.method), concrete(route), example(route.request), {});
        const auto wrong = send(std::string(route.method), concrete(route), example(route.request),
                                {{"X-Master-Key", "wrong"}});
        CHECK(none.status == (route.scope == Scope::open ? 200 : 401));
        CHECK(wrong.status == none.status);
        const auto viewer = send(std::string(route.method), concrete(route), example(route.request),
                                 {{"X-Master-Key", "view"}});
        CHECK(viewer.status == (route.scope == Scope::operator_ ? 403 : 200));
    }
    CHECK(*controller->store().revision() == 0);
    CHECK(send("GET", "/admin/v1/state", "", {{"authorization", "bearer view"}}).status == 200);
}

TEST_CASE_METHOD(Fixture, "the data port answers health and metrics only")
{
    CHECK(send("GET", "/metrics", "", {}, false).status == 200);
    CHECK(send("GET", "/health/ready", "", {}, false).status == 200);
    CHECK(send("GET", "/admin/v1/state", "", {{"X-Master-Key", "op"}}, false).status == 404);
    CHECK(send("HEAD", "/health/live", "", {}, false).body.empty());
}

TEST_CASE_METHOD(Fixture, "the documents' commands do what the documents say")
{
    const HeaderList form{{"X-Master-Key", "op"}, {"Content-Type", "application/x-www-form-urlencoded"}};
    CHECK(send("POST", "/admin/rate-limit/emergency", R"({"requestsPerMinute": 100})", form).status == 200);
    CHECK(controller->snapshot()->emergency_rpm == 100U);
    CHECK(send("POST", "/admin/rate-limit/off", "", form).status == 200);
    CHECK_FALSE(controller->snapshot()->emergency_rpm);
    CHECK(send("PATCH", "/api/admin/providers/openai/disable", "", form).status == 200);
    CHECK_FALSE(find_provider(controller->snapshot()->config, "openai")->enabled);
    CHECK(send("POST", "/admin/providers/openai/enable", "", form).status == 200);
    CHECK(controller->snapshot()->state.overrides.empty());
    CHECK(send("POST", "/admin/connection-pool/reset", "", form).status == 200);
    CHECK(controller->snapshot()->pool_reset_epoch == 1);
    CHECK(send("POST", "/api/admin/providers/openai/reset-circuit", "", form).status == 200);
    CHECK(controller->snapshot()->circuit_epochs.at("openai") == 1);
    CHECK(send("GET", "/admin/usage/top?limit=10", "", form).status == 200);
    CHECK(records.asked.limit == 10);
    CHECK(json(send("GET", "/health/audio"))["tts_service"]["circuit_breaker"]["state"] == "closed");
    CHECK(send("GET", "/health/audio/metrics").body.find("cache") != std::string::npos);
    CHECK(send("POST", "/api/admin/providers/health/check", "", form).status == 200);
    CHECK(plane.tested.size() == 2);
    const auto refused =
        send("POST", "/api/admin/cache/warm", R"({"models": ["gpt-4", "claude-3-opus"]})", form);
    CHECK(refused.status == 400); // nothing was done, so nobody may believe it was
    CHECK(refused.body.contains("texts to speak are missing"));
    CHECK(refused.body.contains("items"));
    CHECK(plane.warmed.empty());
}

TEST_CASE_METHOD(Fixture, "regional endpoints are added and the others stay")
{
    const auto body = R"({"provider":"openai","regionalEndpoints":{"REGION":"https://REGION.example.com"}})";
    for (const auto* region : {"us-east", "eu-west"})
        CHECK(send("POST", "/api/admin/providers/config", replace_all(body, "REGION", region)).status == 200);
    CHECK(find_provider(controller->snapshot()->config, "openai")->regions.size() == 2);
    CHECK(send("POST", "/api/admin/providers/config", replace_all(body, "openai", "opnai")).status == 404);
}

TEST_CASE_METHOD(Fixture, "a blocked key is stored by its id or its digest, never as the key")
{
    CHECK(json(send("POST", "/admin/blocklist", R"({"apiKey":"key-a"})"))["id"] == "team-a");
    CHECK(controller->snapshot()->keys.find("key-a")->blocked);
    const auto stranger = json(send("POST", "/admin/blocklist", R"({"apiKey":"abusive-key"})"));
    CHECK(stranger["id"] == digest_id(sha256("abusive-key")));
    CHECK(is_blocked(*controller->snapshot(), "abusive-key"));
    const auto list = send("GET", "/admin/blocklist");
    CHECK(list.body.find("abusive-key") == std::string::npos);
    CHECK(json(list)["items"].size() == 2);
    CHECK(send("DELETE", "/admin/blocklist/abusive-key").status == 200);
    CHECK(send("DELETE", "/admin/blocklist/abusive-key").status == 404);
}

TEST_CASE_METHOD(Fixture, "a patch carries actor, reason and expiry, and a stale one says what was found")
{
    const auto done = send(
        "PATCH", "/admin/v1/state",
        R"({"set":{"providers/openai/weight":5},"reason":"why","operation":"01J/1","expires_in_ms":60000})",
        {{"X-Master-Key", "op"}, {"X-Conduit-Actor", "maria"}});
    REQUIRE(done.status == 200);
    CHECK(json(done)["changed"] == true);
    CHECK(json(done)["applied_revision"] == json(done)["revision"]);
    CHECK(weight() == 5);
    const auto item = json(send("GET", "/admin/v1/state"))["items"][0];
    CHECK(item["actor"] == "maria");
    CHECK(item["reason"] == "why");
    CHECK(item["expires_at"].is_string());
    CHECK(json(send("GET", "/admin/v1/history?operation=01J/1"))["items"].size() == 1);
    const auto shown = json(send("GET", "/admin/v1/providers/openai"));
    CHECK(shown["configured_weight"] == 70);
    CHECK(shown["override"]["weight"]["actor"] == "maria");

    const auto stale =
        send("PATCH", "/admin/v1/state",
             R"({"set":{"providers/openai/weight":9},"expect":{"providers/openai/weight":null}})");
    CHECK(stale.status == 412);
    const auto details = json(stale)["error"]["details"];
    CHECK(details["path"] == "providers/openai/weight");
    CHECK(details["found"] == 5);
    CHECK(details["expected"].is_null());
    CHECK(details["actor"] == "maria");
    CHECK(details["revision"] == 1);
    CHECK(send("PATCH", "/admin/v1/state", R"({"unset":["providers/openai/weight"]})",
               {{"X-Master-Key", "op"}, {"If-Match", "\"0\""}})
              .status == 412);
    const auto effective =
        json(send("GET", "/admin/v1/state/effective?path=providers/openai/weight&path=pool/max_idle"));
    CHECK(effective["values"]["providers/openai/weight"] == 5);
    CHECK(effective["overrides"]["pool/max_idle"].is_null());
}

TEST_CASE_METHOD(Fixture, "the guard of the last provider is a 409 and force overrides it")
{
    CHECK(send("POST", "/admin/providers/google/disable").status == 200);
    const auto refused = send("POST", "/admin/providers/openai/disable");
    CHECK(refused.status == 409);
    CHECK(code(refused) == "refused");
    CHECK(send("POST", "/admin/providers/openai/disable?force=true").status == 200);
}

TEST_CASE_METHOD(Fixture, "bad requests are told what is wrong and change nothing")
{
    struct Row {
        const char *method, *target;
        std::string body;
        int status;
        const char* says;
    };
    const std::vector<Row> rows{
        {"PATCH", "/admin/v1/state", "{\"set\":", 400, "at byte"},
        {"PATCH", "/admin/v1/state", "[]", 400, "object is expected"},
        {"PATCH", "/admin/v1/state", R"({"sett":{}})", 400, "did you mean set"},
        {"PATCH", "/admin/v1/state", R"({"set":5})", 400, "body.set"},
        {"PATCH", "/admin/v1/state", R"({"set":{"providers/openai/weight":"x"}})", 400, "whole number"},
        {"PATCH", "/admin/v1/state", R"({"set":{"providers/opnai/weight":1}})", 404, "openai"},
        {"PATCH", "/admin/v1/state", R"({"set":{"pool/max_idle":"1m"},"expires_in_ms":-5})", 400,
         "expires_in_ms"},
        {"PATCH", "/admin/v1/state",
         R"({"set":{"pool/max_idle":"1m"},"expires_each_ms":{"pool/max_idle":0}})", 400, "more than 0"},
        {"PATCH", "/admin/v1/state",
         R"({"set":{"pool/max_idle":"1m"},"expires_each_ms":{"pool/max_idel":1}})", 400, "pool/max_idel"},
        {"PATCH", "/admin/v1/state",
         R"({"set":{"pool/max_idle":"1m"},"expires_each_ms":{"pool/max_idle":"1s"}})", 400, "pool/max_idle"},
        {"PATCH", "/admin/v1/state", "\xff\xfe", 400, "JSON"},
        {"PATCH", "/admin/v1/state", std::string(2U << 20U, ' '), 413, "larger"},
        {"PATCH", "/admin/v1/state", std::string(5000, '['), 400, "nested"},
        {"PUT", "/admin/v1/state", "", 405, "PATCH"},
        {"POST", "/admin/rate-limit/emergency", "", 400, "requestsPerMinute"},
        {"POST", "/admin/rate-limit/emergency", R"({"requestsPerMinute":0})", 400, "1 to"},
        {"POST", "/admin/rate-limit/emergency", R"({"requestsPerMinute":5,"for":"soon"})", 400, "soon"},
        {"POST", "/admin/providers/opnai/disable", "", 404, "did you mean openai"},
        {"GET", "/admin/v1/provders", "", 404, "/admin/v1/providers"},
        {"GET", "/admin/v1/state/effective", "", 400, "path"},
        {"GET", "/admin/v1/state/effective?path=nonsense", "", 404, "nonsense"},
        {"GET", "/admin/v1/history?limit=-1", "", 400, "limit"},
        {"GET", "/admin/v1/usage?by=kee", "", 400, "did you mean key"},
        {"GET", "/admin/v1/usage?since=yesterday", "", 400, "yesterday"},
        {"POST", "/admin/v1/providers/openai/test", R"({"timeout_ms":0})", 400, "timeout_ms"},
    };
    for (const auto& row : rows) {
        INFO(row.method << " " << row.target << " " << row.body.substr(0, 100));
        const auto response = send(row.method, row.target, row.body);
        INFO(response.body);
        CHECK(response.status == row.status);
        CHECK(response.body.find(row.says) != std::string::npos);
        CHECK(check_schema(type_schema("Error"), json(response), "error"));
    }
    CHECK(*controller->store().revision() == 0);
}

TEST_CASE_METHOD(Fixture,
                 "without the store the agent lives, stays ready, says so, and refuses changes with 503")
{
    away = true;
    const Deadline deadline(Duration{10'000});
    while (controller->status().store_ok && !deadline.passed())
        std::this_thread::yield();
    CHECK(send("GET", "/health/live").status == 200);
    CHECK(send("GET", "/health/ready").status == 200);
    CHECK(json(send("GET", "/health"))["status"] == "degraded");
    CHECK(json(send("GET", "/health"))["control"]["store_error"] == "control store is away");
    CHECK(send("GET", "/admin/v1/providers").status == 200);
    CHECK(send("POST", "/admin/providers/openai/disable").status == 503);
}

TEST_CASE_METHOD(Fixture, "no answer shows a secret")
{
    for (const auto& route : all_routes())
        if (route.method == "GET") {
            INFO(route.pattern);
            CHECK(send("GET", concrete(route)).body.find("planted-secret") == std::string::npos);
        }
    CHECK(send("GET", "/admin/v1/config").body.find("fingerprint") != std::string::npos);
}
