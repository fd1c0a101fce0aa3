// SPDX-License-Identifier: Apache-2.0
#include "core/kube/watch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_transport.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::kube;
using namespace conduit::test;

namespace {

struct Fixture {
    std::unique_ptr<FakeTransport> owned = std::make_unique<FakeTransport>();
    FakeTransport& server = *owned;
    Cancel cancel;
    Api api{std::move(owned), system_clock(), &cancel};
    std::string seen;
    std::string lost;

    // Follows until `end` stands at the end of what was seen.
    Result<> follow(const std::string& end, Duration limit = 10s)
    {
        const WatchOptions options{.query = {},
                                   .lost = [&](const Error& error) { lost += error.message + ";"; }};
        return watch(
            api, "/pods", options,
            [&](const Event& event) {
                constexpr std::array k_names{"list", "whole", "anew", "add", "mod", "del"};
                seen += k_names.at(static_cast<std::size_t>(event.change));
                if (event.object != nullptr)
                    seen += ":" + (*event.object)["metadata"]["name"].get<std::string>();
                seen += " ";
                return !seen.ends_with(end + " ");
            },
            Deadline(limit));
    }
    void list(const std::string& name, const std::string& version)
    {
        server.reply(200, fmt::format(R"({{"items":[{}],"metadata":{{"resourceVersion":"{}"}}}})",
                                      name.empty() ? "" : item(name, version), version));
    }
    static std::string item(const std::string& name, const std::string& version)
    {
        return fmt::format(R"({{"metadata":{{"name":"{}","resourceVersion":"{}"}}}})", name, version);
    }
    static std::string event(const std::string& type, const std::string& name, const std::string& version)
    {
        return fmt::format(R"({{"type":"{}","object":{}}})", type, item(name, version)) + "\n";
    }
    std::string version_asked(std::size_t call) const
    {
        const auto& path = server.calls.at(call).path;
        const auto at = path.find("resourceVersion=");
        return at == std::string::npos ? "" : path.substr(at + 16, path.find('&', at) - at - 16);
    }
};

constexpr auto k_expired =
    R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"old"}})"
    "\n";

} // namespace

TEST_CASE_METHOD(Fixture, "what is there comes first, then what changes, however it is cut into pieces")
{
    list("a", "5");
    const auto text = event("ADDED", "b", "6") + event("MODIFIED", "a", "7") + event("DELETED", "b", "8");
    server.pieces({text.substr(0, 10), text.substr(10, 80), text.substr(90)});
    REQUIRE(follow("del:b"));
    CHECK(seen == "list:a whole add:b mod:a del:b ");
    CHECK(version_asked(1) == "5");
    CHECK(server.calls[1].path.contains("allowWatchBookmarks=true"));
}

TEST_CASE_METHOD(Fixture, "a connection that ends is taken up at the last version, a bookmark's included")
{
    list("", "5");
    server.pieces({event("ADDED", "b", "6"),
                   R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"20"}}})"
                   "\n"});
    server.fail_with(ErrorKind::unreachable);
    server.fail_with(ErrorKind::unknown);
    server.pieces({event("ADDED", "c", "21")});
    REQUIRE(follow("add:c"));
    CHECK(seen == "whole add:b add:c ");
    CHECK(version_asked(2) == "20");
    CHECK(version_asked(4) == "20");
    CHECK(lost == "as told;"); // once, also after a watch that had ended well
}

TEST_CASE_METHOD(Fixture, "an expired version is a fresh list, and its beginning is told")
{
    list("a", "5");
    server.pieces({k_expired});
    list("b", "50");
    server.reply(410, R"({"kind":"Status","code":410,"reason":"Expired"})");
    list("c", "60");
    server.pieces({event("ADDED", "d", "61")});
    REQUIRE(follow("add:d"));
    CHECK(seen == "list:a whole anew list:b whole anew list:c whole add:d ");
    CHECK(version_asked(5) == "60");
}

TEST_CASE_METHOD(Fixture, "a server that is away after the first list is waited for, and that is said once")
{
    list("a", "5");
    server.fail_with(ErrorKind::unreachable);
    server.fail_with(ErrorKind::unreachable);
    server.pieces({event("ADDED", "b", "6")});
    REQUIRE(follow("add:b"));
    CHECK(lost == "as told;");
}

TEST_CASE_METHOD(Fixture, "what will not mend itself ends it at once")
{
    server.fail_with(ErrorKind::unreachable);
    CHECK(follow("never").error().kind == ErrorKind::unreachable);
    list("a", "5");
    server.reply(403, R"({"kind":"Status","code":403,"reason":"Forbidden","message":"cannot watch"})");
    const auto forbidden = follow("never");
    CHECK(forbidden.error().kind == ErrorKind::auth);
}

TEST_CASE_METHOD(Fixture, "an event that is none is said, and the thread is taken up before it")
{
    list("a", "5");
    server.pieces({event("ADDED", "b", "6") + "this is no event\n"});
    server.pieces({event("ADDED", "c", "7")});
    REQUIRE(follow("add:c"));
    CHECK(seen == "list:a whole add:b add:c ");
    CHECK(lost.contains("no event"));
    CHECK(version_asked(2) == "6");
}

TEST_CASE_METHOD(Fixture, "time and a stop end it, and the receiver may")
{
    list("a", "5");
    CHECK(follow("whole"));
    list("a", "5");
    for (int i = 0; i < 10; ++i)
        server.pieces({});
    CHECK(follow("never", 200ms).error().kind == ErrorKind::unverified);
    list("a", "5");
    server.replies.clear();
    list("a", "5");
    server.pieces({});
    cancel.request();
    CHECK(follow("never").error().kind == ErrorKind::interrupted);
}
