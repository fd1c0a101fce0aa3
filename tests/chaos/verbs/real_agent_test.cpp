// SPDX-License-Identifier: Apache-2.0
// As kill_test, for a handful of verbs against a real conduit-agent: the request goes through a socket and a
// process that outlives conduitctl.
#include "core/text.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/change_rows.hpp"
#include "tests/support/fakes/child.hpp"
#include "tests/support/fakes/fake_world.hpp"
#include "tests/support/real_agent.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::ops;
using namespace conduit::test;

namespace {

const std::vector<Words> k_lines{
    {"provider", "disable", "openai", "-y"},
    {"provider", "weight", "openai=50", "google=40", "-y"},
    {"limit", "emergency", "--rpm", "100", "-y", "--for", "30m"},
    {"cache", "ttl", "speech", "2h"},
};

class Scene {
  public:
    explicit Scene(RealAgent& real) : real_(real)
    {
        world.more = [this](App& app) {
            app.agents_slot.set([this](App&) -> Result<std::unique_ptr<Agents>> { return real_.agents(); });
        };
        const auto state = *read("/admin/v1/state");
        Json patch{{"set", Json::object()}, {"unset", Json::array()}, {"expect", Json::object()}};
        for (const auto& item : state["items"])
            patch["unset"].push_back(item["path"]);
        if (!patch["unset"].empty())
            REQUIRE(real_.agents()->ask({.method = "PATCH", .path = "/admin/v1/state", .body = patch},
                                        Deadline::never()));
    }
    JsonBox read(const std::string& path)
    {
        return real_.agents()->ask({.path = path}, Deadline::never()).value();
    }

    std::string dump()
    {
        const auto state = *read("/admin/v1/state");
        Json out = Json::object();
        for (const auto& item : state["items"])
            out[item["path"].get<std::string>()] = {item["value"], !item["expires_at"].is_null()};
        return canonical_json(out);
    }
    int run(const Words& words)
    {
        const auto result = world.app.run(words);
        error = result.err;
        return result.code;
    }
    void killed(const Words& words, std::string_view point)
    {
        const int status = run_in_child([&] {
            world.crash = [&] { return std::make_unique<KillAt>(std::string(point), 1); };
            return world.app.run(words).code;
        });
        REQUIRE(WIFSIGNALED(status));
    }
    std::string unfinished()
    {
        const Journal journal(world.app.home() / "state/conduitctl/journal", world.app.clock);
        const auto open = journal.operations({.unfinished_only = true}).value();
        return open.size() == 1 ? open.front().id : "none";
    }

    FakeWorld world;
    std::string error;

  private:
    RealAgent& real_;
};

} // namespace

TEST_CASE("a verb killed in the middle of talking to a real agent is finished or taken back")
{
    RealAgent real;
    for (const auto& line : k_lines) {
        std::string wanted;
        {
            Scene scene(real);
            REQUIRE(scene.run(line) == 0);
            wanted = scene.dump();
            REQUIRE(wanted != "{}");
        }
        for (const auto point : {k_after_begin, k_sent, k_replied, k_verifying})
            for (const bool undo : {false, true}) {
                INFO(join(line, " ") << " killed at " << point
                                     << (undo ? ", then undone" : ", then resumed"));
                Scene scene(real);
                scene.killed(line, point);
                const auto id = scene.unfinished();
                const int code = scene.run({undo ? "undo" : "resume", id, "-y"});
                INFO(scene.error);
                CHECK(code == 0);
                CHECK(scene.dump() == (undo ? "{}" : wanted));
                CHECK(scene.unfinished() == "none");
            }
    }
}
