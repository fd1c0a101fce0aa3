// SPDX-License-Identifier: Apache-2.0
#include "core/kube/api.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_transport.hpp"
#include "tests/support/fakes/manual_clock.hpp"

#include <atomic>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thread>

using namespace conduit;
using namespace conduit::kube;
using namespace conduit::test;

namespace {

const Resource k_deployments{.group = "apps", .plural = "deployments"};
const Deadline k_soon(20s);

std::string status(int code, const std::string& reason, const std::string& message,
                   const std::string& details = "{}")
{
    return fmt::format(R"({{"kind":"Status","code":{},"reason":"{}","message":"{}","details":{}}})", code,
                       reason, message, details);
}

struct Fixture {
    std::unique_ptr<FakeTransport> owned = std::make_unique<FakeTransport>();
    FakeTransport& server = *owned;
    Cancel cancel;
    Api api{std::move(owned), system_clock(), &cancel};

    Error error(int code, const std::string& body)
    {
        server.reply(code, body);
        return api.get("/x", k_soon).error();
    }
};

} // namespace

TEST_CASE("paths are those of the API")
{
    CHECK(resource_path(k_deployments, "audio", "agent", "scale") ==
          "/apis/apps/v1/namespaces/audio/deployments/agent/scale");
    CHECK(resource_path({.plural = "pods"}, "audio") == "/api/v1/namespaces/audio/pods");
    CHECK(resource_path({.plural = "pods"}, "") == "/api/v1/pods");
    CHECK(resource_path({.plural = "nodes", .namespaced = false}, "audio", "a b") == "/api/v1/nodes/a%20b");
}

TEST_CASE_METHOD(Fixture, "what the server refuses is told in its words, with the exit code that fits")
{
    const auto forbidden = error(
        403, status(403, "Forbidden", R"(pods is forbidden: User \"v\" cannot list resource \"pods\")"));
    CHECK(forbidden.kind == ErrorKind::auth);
    CHECK(forbidden.message.contains("cannot list resource \"pods\""));
    CHECK_FALSE(forbidden.hint.empty());
    CHECK(error(403, status(403, "Forbidden", "pods x is forbidden: exceeded quota: q, requested: pods=1"))
              .kind == ErrorKind::refused);
    CHECK(error(401, status(401, "Unauthorized", "Unauthorized")).kind == ErrorKind::auth);
    CHECK(error(404, status(404, "NotFound", "deployments x not found")).kind == ErrorKind::not_found);
    CHECK(error(409, status(409, "Conflict", "the object has been modified")).kind == ErrorKind::stale);
    CHECK(error(409, status(409, "AlreadyExists", "it exists")).kind == ErrorKind::failed);
    CHECK(error(422, status(422, "Invalid", "spec.replicas: must be 0 or more")).kind == ErrorKind::failed);
    CHECK(error(503, "upstream is away").kind == ErrorKind::unreachable);
    CHECK(error(504, status(504, "Timeout", "timed out")).kind == ErrorKind::unknown);
    const auto bare = error(500, "<html>");
    CHECK(bare.kind == ErrorKind::failed);
    CHECK(bare.message == "GET /x: HTTP 500");
    const auto gone = error(410, status(410, "Expired", "too old resource version"));
    CHECK(gone.kind == ErrorKind::stale);
    CHECK(is_expired(gone));
}

TEST_CASE_METHOD(Fixture, "429 is waited out as long as the server asks, for writes too")
{
    server.reply(429, status(429, "TooManyRequests", "slow down"), {{"retry-after", "0"}});
    server.reply(429, "", {{"retry-after", "0"}});
    server.reply(200, R"({"kind":"Deployment"})");
    const auto written = api.patch("/x", PatchType::merge, Json::object(), {}, k_soon);
    REQUIRE(written);
    CHECK(server.calls.size() == 3);
    server.reply(429, "", {{"retry-after", "60"}});
    const auto late = api.get("/x", Deadline(1s));
    REQUIRE_FALSE(late);
    CHECK(late.error().kind ==
          ErrorKind::unreachable); // nothing was done, and nobody waits a minute in one second
    server.reply(429, "", {{"retry-after", "10"}});
    cancel.request();
    CHECK(api.get("/x", k_soon).error().kind == ErrorKind::interrupted);
}

TEST_CASE_METHOD(Fixture, "a disruption budget refuses, and is not asked again")
{
    const auto refused =
        error(429, status(429, "TooManyRequests",
                          "Cannot evict pod as it would violate the pod's "
                          "disruption budget.",
                          R"({"causes":[{"reason":"DisruptionBudget","message":"needs 2"}]})"));
    CHECK(refused.kind == ErrorKind::refused);
    CHECK(server.calls.size() == 1);
}

TEST_CASE_METHOD(Fixture, "a read whose connection ended is repeated once, a write never")
{
    server.fail_with(ErrorKind::unknown);
    server.reply(200, "{}");
    CHECK(api.get("/x", k_soon));
    server.fail_with(ErrorKind::unknown);
    server.fail_with(ErrorKind::unknown);
    CHECK(api.get("/x", k_soon).error().kind == ErrorKind::unknown);
    server.fail_with(ErrorKind::unknown);
    CHECK(api.create("/x", Json::object(), {}, k_soon).error().kind == ErrorKind::unknown);
    CHECK(server.calls.size() == 5);
}

TEST_CASE_METHOD(Fixture, "patches say what they are, who writes, and when nothing shall be written")
{
    for (int i = 0; i < 4; ++i)
        server.reply(200, "{}");
    REQUIRE(api.patch("/x", PatchType::apply, Json{{"a", 1}}, {.force = true}, k_soon));
    REQUIRE(api.patch("/x", PatchType::strategic, Json::object(), {.dry_run = true}, k_soon));
    REQUIRE(api.patch("/x", PatchType::json, Json::array(), {.field_manager = "other"}, k_soon));
    REQUIRE(api.remove("/x", Json{{"kind", "DeleteOptions"}}, k_soon));
    CHECK(server.calls[0].content_type == "application/apply-patch+yaml");
    CHECK(server.calls[0].path == "/x?fieldManager=conduitctl&force=true");
    CHECK(server.calls[0].finish);
    CHECK(server.calls[1].content_type == "application/strategic-merge-patch+json");
    CHECK(server.calls[1].path == "/x?dryRun=All&fieldManager=conduitctl");
    CHECK_FALSE(server.calls[1].finish);
    CHECK(server.calls[2].path == "/x?fieldManager=other");
    CHECK(server.calls[3].method == "DELETE");
    CHECK(server.calls[3].path == "/x");
}

TEST_CASE_METHOD(Fixture, "a list comes page by page, and anew when a page has expired meanwhile")
{
    const auto page = [](const std::string& items, const std::string& go_on) {
        return fmt::format(R"({{"items":[{}],"metadata":{{"resourceVersion":"7","continue":"{}"}}}})", items,
                           go_on);
    };
    server.reply(200, page("1,2", "token&x"));
    server.reply(410, status(410, "Expired", "the provided continue parameter is too old"));
    server.reply(200, page("1", "next"));
    server.reply(200, page("2,3", ""));
    std::vector<int> seen;
    const auto version = api.list(
        "/pods", {{"labelSelector", "app=x"}}, [&](const Json& item) { seen.push_back(item.get<int>()); },
        [&] { seen.clear(); }, k_soon);
    CHECK(version.value() == "7");
    CHECK(seen == std::vector<int>{1, 2, 3});
    CHECK(server.calls[0].path == "/pods?labelSelector=app%3Dx&limit=500");
    CHECK(server.calls[1].path.contains("continue=token%26x"));
    CHECK_FALSE(server.calls[2].path.contains("continue"));
    server.reply(200, R"({"items":{}})");
    CHECK(api.list("/pods", {}, [](const Json&) {}, [] {}, k_soon).error().kind == ErrorKind::unknown);
}

TEST_CASE_METHOD(Fixture, "the next page of a list is on its way while one is read")
{
    std::atomic<bool> asked{false};
    server.reply(200, R"({"metadata":{"resourceVersion":"7","continue":"more"},"items":[1,2]})");
    server.reply([&](const Call& call, const OnPiece*) -> Result<Answer> {
        asked = call.path.contains("continue=more");
        return Answer{200, {}, R"({"metadata":{"resourceVersion":"8"},"items":[3]})"};
    });
    int seen = 0;
    const auto version = api.list(
        "/pods", {},
        [&](const Json&) {
            ++seen;
            for (const Deadline until(10s); !asked && !until.passed();)
                std::this_thread::yield();
            CHECK(asked);
        },
        [] {}, k_soon);
    CHECK(version.value() == "8");
    CHECK(seen == 3);
}
