// SPDX-License-Identifier: Apache-2.0
#include "core/kube/pod_proxy.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_transport.hpp"

#include <algorithm>
#include <fmt/format.h>

using namespace conduit;
using namespace conduit::kube;
using namespace conduit::test;

namespace {

const Deadline k_soon(20s);

struct Fixture {
    std::shared_ptr<FakeTransport> server = std::make_shared<FakeTransport>();
    std::unique_ptr<HttpClient> client = make_pod_client(server, nullptr);
    const std::string pod = pod_url("https://api.test", "audio", "agent-1", "9091");

    Error refused(int status, const std::string& message, const std::string& method = "POST")
    {
        server->reply(
            status,
            fmt::format(R"({{"kind":"Status","apiVersion":"v1","message":"{}","code":{}}})", message, status),
            {{"content-type", "application/json"}});
        const auto answer = client->send({.method = method, .url = pod + "/x"}, k_soon);
        REQUIRE_FALSE(answer);
        return answer.error();
    }
};

} // namespace

TEST_CASE_METHOD(Fixture, "a call to a pod goes through the API server with its headers and its body")
{
    CHECK(pod == "https://api.test/api/v1/namespaces/audio/pods/agent-1:9091/proxy");
    CHECK(pod_url("https://api.test", "audio", "agent-1", "admin", true)
              .contains("/pods/https:agent-1:admin/"));
    server->reply(201, "{\"ok\":true}", {{"content-type", "application/json"}});
    const auto answer =
        client->send({.method = "PATCH",
                      .url = pod + "/admin/v1/state?a=b",
                      .headers = {{"X-Master-Key", "k"}, {"Content-Type", "application/json"}},
                      .body = "{}"},
                     k_soon);
    REQUIRE(answer);
    CHECK(answer->status == 201);
    CHECK(answer->body == "{\"ok\":true}");
    const auto& call = server->calls.back();
    CHECK(call.path == "/api/v1/namespaces/audio/pods/agent-1:9091/proxy/admin/v1/state?a=b");
    CHECK(call.method == "PATCH");
    CHECK(call.body == "{}");
    CHECK(std::ranges::count(call.headers, std::pair<std::string, std::string>("X-Master-Key", "k")) == 1);
}

TEST_CASE_METHOD(Fixture, "an error of the pod itself is its answer")
{
    server->reply(503, R"({"error":{"code":"unreachable"}})", {{"content-type", "application/json"}});
    const auto answer = client->send({.url = pod + "/x"}, k_soon);
    REQUIRE(answer);
    CHECK(answer->status == 503);
}

TEST_CASE_METHOD(Fixture, "what the API server says of a pod tells whether the call can have arrived")
{
    CHECK(refused(503, "error trying to reach service: dial tcp 10.0.0.7:9091: connect: connection refused")
              .kind == ErrorKind::unreachable);
    CHECK(refused(500, "error trying to reach service: EOF").kind == ErrorKind::unknown);
    CHECK(refused(404, "pods agent-1 not found").kind == ErrorKind::unreachable);
    const auto forbidden =
        refused(403, "pods agent-1 is forbidden: User v cannot create resource pods/proxy");
    CHECK(forbidden.kind == ErrorKind::auth);
    CHECK(forbidden.message.contains("pods/proxy"));
}

TEST_CASE_METHOD(Fixture, "other addresses go elsewhere, and nowhere when there is nothing else")
{
    CHECK(client->send({.url = "http://127.0.0.1:1/x"}, k_soon).error().kind == ErrorKind::unreachable);
    CHECK(client->send({.url = "https://api.test.evil/api/v1"}, k_soon).error().kind ==
          ErrorKind::unreachable);
    CHECK(server->calls.empty());
}

TEST_CASE_METHOD(Fixture, "an answer beyond the limit is an error")
{
    server->reply(200, std::string(2'000, 'x'));
    const auto answer = client->send({.url = pod + "/x", .max_body = 1'000}, k_soon);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().message.contains("larger than"));
}
