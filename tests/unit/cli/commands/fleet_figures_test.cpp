// SPDX-License-Identifier: Apache-2.0
// Figures of the whole fleet, whichever replica they are kept by.
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_world.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::test;

namespace {

Json row(const char* key, int requests, double cost)
{
    return {{"key_id", key}, {"provider", "openai"}, {"model", ""},          {"operation", ""},
            {"day", ""},     {"requests", requests}, {"errors", 1},          {"characters", 10},
            {"bytes_in", 1}, {"bytes_out", 2},       {"audio_seconds", 1.5}, {"cost_usd", cost},
            {"tokens", 0}};
}

void answer(FakeWorld& w, const std::string& store)
{
    w.agents.answers["/admin/v1/usage"] =
        Json{{"store", store}, {"items", Json::array({row("team-a", 7, 0.5), row("team-b", 2, 3.0)})}};
}

} // namespace

TEST_CASE("usage is the sum of what each replica served")
{
    FakeWorld w;
    answer(w, ""); // two replicas, each with a store of its own
    const auto top = w.app.run({"usage", "top", "-o", "json"});
    CHECK(top.code == 0);
    const auto items = parse_json(top.out).value()["items"];
    REQUIRE(items.size() == 2);
    CHECK(items[0]["key_id"] == "team-a");
    CHECK(items[0]["requests"] == 14);
    CHECK(items[0]["audio_seconds"] == 3.0);
    CHECK(items[1]["cost_usd"] == 6.0);
    const auto dear =
        parse_json(w.app.run({"usage", "top", "--order", "cost", "--limit", "1", "-o", "json"}).out).value();
    REQUIRE(dear["items"].size() == 1);
    CHECK(dear["items"][0]["key_id"] == "team-b");
}

TEST_CASE("a store that replicas share is counted once")
{
    FakeWorld w;
    answer(w, "one-file");
    const auto shown = parse_json(w.app.run({"usage", "show", "--by", "key", "-o", "json"}).out).value();
    CHECK(shown["items"][0]["requests"] == 7);
}

TEST_CASE("a sum without one of the replicas is unknown and says whose part is missing")
{
    FakeWorld w;
    answer(w, "");
    int asked = 0;
    w.agents.before_call = [&](const AgentCall& call) {
        if (call.path == "/admin/v1/usage" && ++asked == 2)
            w.agents.faults["/admin/v1/usage"] = Error{ErrorKind::unreachable, "no answer"};
        else
            w.agents.faults.clear();
    };
    const auto top = w.app.run({"usage", "top"});
    CHECK(top.code == to_exit(ErrorKind::unknown));
    CHECK((top.out + top.err).contains("without what agent-"));
}

TEST_CASE("a clear says which replica did not reach Redis")
{
    FakeWorld w;
    const Json last{{"state", "not-reached"},
                    {"epoch", 1},
                    {"prefix", "audio:tts:"},
                    {"removed", 0},
                    {"error", "it hangs"}};
    w.agents.answers["/admin/v1/cache"] =
        Json{{"clear_epoch", 1},
             {"hits", 0},
             {"misses", 0},
             {"bytes", 0},
             {"shared",
              {{"status", "away"}, {"where", "cache:6379"}, {"used_bytes", nullptr}, {"last_clear", last}}}};
    const auto cleared = w.app.run({"cache", "clear", "audio:tts:", "--yes"});
    INFO(cleared.out + cleared.err);
    CHECK(cleared.code == 0);
    CHECK((cleared.out + cleared.err).contains("redis was not reached (it hangs)"));
    const auto stats = w.app.run({"cache", "stats"});
    CHECK((stats.out + stats.err).contains("redis cache:6379 is away"));
}
