// SPDX-License-Identifier: Apache-2.0
#include "cli/backend/agent.hpp"
#include "tests/support/catch.hpp"

#include <atomic>
#include <mutex>
#include <nlohmann/json.hpp>

using namespace conduit;

namespace {

// Answers by URL; one object is shared by the clients of all threads.
struct Wire {
    std::map<std::string, std::function<Result<HttpResponse>(const HttpRequest&)>> answers;
    std::mutex mutex;
    std::vector<HttpRequest> seen;

    Result<HttpResponse> send(const HttpRequest& request)
    {
        {
            const std::scoped_lock lock(mutex);
            seen.push_back(request);
        }
        const auto found = answers.find(request.url.substr(0, request.url.find('?')));
        if (found == answers.end())
            return Error{ErrorKind::unreachable, "cannot reach " + request.url};
        return found->second(request);
    }
};

struct WireClient final : HttpClient {
    explicit WireClient(Wire& w) : wire(w) {}
    Result<HttpResponse> send(const HttpRequest& request, Deadline) override { return wire.send(request); }
    Wire& wire;
};

HttpResponse json(int status, std::string body)
{
    return {status, {{"content-type", "application/json"}}, std::move(body)};
}

std::unique_ptr<Agents> agents_on(Wire& wire, int replicas)
{
    return make_agents({.identity = "test",
                        .discover = [replicas](Deadline) -> Result<std::vector<AgentEndpoint>> {
                            std::vector<AgentEndpoint> list;
                            for (int i = 1; i <= replicas; ++i)
                                list.push_back(
                                    {"agent-" + std::to_string(i), "http://a" + std::to_string(i)});
                            return list;
                        },
                        .token = [] { return Result<std::string>("t0ken"); },
                        .client = [&wire] { return std::make_unique<WireClient>(wire); },
                        .actor = "maria"});
}

auto replica_at(int revision)
{
    return [revision](const HttpRequest&) -> Result<HttpResponse> {
        return json(200, R"({"control":{"applied_revision":)" + std::to_string(revision) +
                             R"(,"store_ok":true}})");
    };
}

} // namespace

TEST_CASE("a read goes on to the next replica when one cannot be reached")
{
    Wire wire;
    wire.answers["http://a2/admin/v1/pool"] = [](const HttpRequest&) -> Result<HttpResponse> {
        return json(200, R"({"items":[]})");
    };
    CHECK(agents_on(wire, 2)->ask({.path = "/admin/v1/pool"}, Deadline(1s)));
    CHECK(wire.seen.size() == 2);
    CHECK(wire.seen[0].headers == HeaderList{{"X-Master-Key", "t0ken"}, {"X-Conduit-Actor", "maria"}});
}

TEST_CASE("a write whose answer was lost is unknown and not repeated elsewhere")
{
    Wire wire;
    wire.answers["http://a1/admin/v1/state"] = [](const HttpRequest&) -> Result<HttpResponse> {
        return Error{ErrorKind::unknown, "no whole answer"};
    };
    const auto r = agents_on(wire, 2)->ask(
        {.method = "PATCH", .path = "/admin/v1/state", .body = Json::object()}, Deadline(1s));
    REQUIRE_FALSE(r);
    CHECK(r.error().kind == ErrorKind::unknown);
    CHECK(wire.seen.size() == 1);
}

TEST_CASE("the API's error codes become kinds, with details")
{
    const auto stale = read_answer(
        json(
            412,
            R"({"error":{"code":"stale","message":"weight was changed","details":{"actor":"bob","revision":7}}})"),
        "u");
    REQUIRE_FALSE(stale);
    CHECK(stale.error().kind == ErrorKind::stale);
    CHECK(stale.error().details.at("actor") == "bob");
    CHECK(stale.error().details.at("revision") == "7");
    CHECK(read_answer(json(401, "{}"), "u").error().kind == ErrorKind::auth);
    CHECK(read_answer(json(500, "<html>"), "u").error().kind == ErrorKind::failed);
    CHECK(read_answer(json(200, "{\"cut"), "u").error().kind == ErrorKind::unknown);
    CHECK(read_answer(json(409, R"({"error":{"code":"\u001b[31mx"}})"), "u").error().kind ==
          ErrorKind::refused);
}

TEST_CASE("convergence names the replica that does not agree")
{
    Wire wire;
    wire.answers["http://a1/admin/v1/replica"] = replica_at(42);
    wire.answers["http://a2/admin/v1/replica"] = replica_at(41);
    const auto agents = agents_on(wire, 3);
    const auto reading = read_convergence(*agents, 42, Deadline(1s));
    CHECK_FALSE(reading.complete());
    CHECK(reading.agreed == 1);
    CHECK(reading.missing().starts_with("agent-2 (at revision 41), agent-3 ("));

    std::atomic<int> asked = 0;
    wire.answers["http://a3/admin/v1/replica"] = replica_at(43);
    wire.answers["http://a2/admin/v1/replica"] = [&](const HttpRequest& r) {
        return replica_at(++asked < 3 ? 41 : 42)(r);
    };
    CHECK(wait_converged(*agents, 42, Deadline(5s), system_clock()).complete());
    CHECK(asked == 3);
}

TEST_CASE("nobody there is unreachable with the command that helps")
{
    Wire wire;
    const auto r = agents_on(wire, 0)->ask({.path = "/x"}, Deadline(1s));
    REQUIRE_FALSE(r);
    CHECK(r.error().kind == ErrorKind::unreachable);
    CHECK(r.error().hint == "Start one: conduitctl local up");
}
