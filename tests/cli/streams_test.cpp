// SPDX-License-Identifier: Apache-2.0
// Verbs that print as they go.
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_world.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::test;

TEST_CASE("logs are lines and nothing else, so that they can be piped")
{
    FakeWorld world;
    const auto people = world.app.run({"logs"});
    CHECK(people.code == 0);
    CHECK(people.out == "agent-1 hello\n");
    const auto machines = world.app.run({"logs", "-o", "json"});
    CHECK(machines.out.starts_with("{\"instance\":\"agent-1\",\"line\":\"hello\"}\n"));
    CHECK(machines.out.contains("\"lines\""));
}
