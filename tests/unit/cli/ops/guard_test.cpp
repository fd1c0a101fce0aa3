// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"

#include "cli/ops/guard.hpp"

#include <algorithm>

using namespace conduit;
using namespace conduit::ops;

namespace {

const WallTime k_now = *parse_time("2026-12-24T10:00:00Z");

Facts providers(std::vector<ProviderFact> now, std::vector<ProviderFact> then)
{
    Facts facts;
    facts.now.providers = std::move(now);
    facts.then.providers = std::move(then);
    return facts;
}

Facts replicas(int now, int then, int healthy_now, int healthy_then, bool ha = true)
{
    Facts facts;
    facts.now.workloads = {{"agent", now, healthy_now, ha}};
    facts.then.workloads = {{"agent", then, healthy_then, ha}};
    return facts;
}

std::optional<Error> ask(const GuardConfig& config, const Facts& facts)
{
    return guard_refusal(evaluate_guards(config, {}, facts, k_now));
}

} // namespace

TEST_CASE("the last provider but one may not go", "[guard]")
{
    GuardConfig config;
    config.min_healthy_providers = 2;
    const auto facts = providers(
        {{"openai", false, true, 70, "disabled until 16:04 UTC (maria)"},
         {"google", true, true, 20, ""},
         {"aws", true, true, 10, ""}},
        {{"openai", false, true, 70, ""}, {"google", false, true, 20, ""}, {"aws", true, true, 10, ""}});
    const auto error = ask(config, facts);
    REQUIRE(error);
    CHECK(error->kind == ErrorKind::refused);
    CHECK(error->message == "refused: aws would be the only provider left (guard min_healthy_providers = 2)");
    CHECK(error->cause == "openai is disabled until 16:04 UTC (maria)");
    CHECK(error->hint == "Enable openai first: conduitctl provider enable openai\n"
                         "Or go past the guard: add --force --reason TEXT");
}

TEST_CASE("a change for the better passes though things are not good yet", "[guard]")
{
    GuardConfig config;
    config.min_healthy_providers = 3;
    config.min_replicas = 3;
    config.max_replicas = 5;
    CHECK_FALSE(ask(config, providers({{"a", true, true, 1, ""}, {"b", false, true, 1, ""}},
                                      {{"a", true, true, 1, ""}, {"b", true, true, 1, ""}})));
    CHECK_FALSE(ask(config, replicas(1, 2, 1, 1)));
    CHECK_FALSE(ask(config, replicas(9, 8, 9, 8)));
}

TEST_CASE("a weight of nought counts as a provider taken out", "[guard]")
{
    GuardConfig config;
    config.min_healthy_providers = 1;
    const auto error = ask(config, providers({{"a", true, true, 1, ""}}, {{"a", true, true, 0, ""}}));
    REQUIRE(error);
    CHECK(error->message.find("no healthy provider would be left") != std::string::npos);
}

TEST_CASE("replicas stay between their bounds, and the largest step is named", "[guard]")
{
    GuardConfig config;
    config.min_replicas = 3;
    config.max_replicas = 10;
    auto error = ask(config, replicas(5, 2, 5, 2));
    REQUIRE(error);
    CHECK(error->message == "refused: agent would have 2 replicas (guard min_replicas = 3)");
    CHECK(error->details.at("largest") == "3 replicas");
    CHECK_FALSE(ask(config, replicas(5, 3, 5, 3)));
    CHECK_FALSE(ask(config, replicas(5, 1, 5, 1, false)));
    error = ask(config, replicas(5, 11, 5, 11));
    REQUIRE(error);
    CHECK(error->details.at("guard") == "max_replicas");
    CHECK(error->details.at("largest") == "10 replicas");
}

TEST_CASE("healthy instances are not taken down below their minimum", "[guard]")
{
    GuardConfig config;
    config.min_healthy_instances = 2;
    const auto error = ask(config, replicas(3, 3, 3, 1));
    REQUIRE(error);
    CHECK(error->details.at("largest") == "1 at a time");
    CHECK_FALSE(ask(config, replicas(3, 3, 3, 2)));
}

TEST_CASE("too much traffic at once is refused with weights that pass", "[guard]")
{
    GuardConfig config;
    config.max_weight_shift = 0.2;
    const auto now = std::vector<ProviderFact>{{"a", true, true, 70, ""}, {"b", true, true, 30, ""}};
    const auto error = ask(config, providers(now, {{"a", true, true, 20, ""}, {"b", true, true, 80, ""}}));
    REQUIRE(error);
    CHECK(error->message ==
          "refused: 50 % of the traffic would move at once (guard max_weight_shift = 20 %)");
    CHECK(error->details.at("largest") == "a 50, b 50");
    CHECK_FALSE(ask(config, providers(now, {{"a", true, true, 50, ""}, {"b", true, true, 50, ""}})));
}

TEST_CASE("removing is bounded by count and by share", "[guard]")
{
    GuardConfig config;
    config.max_delete_share = 0.1;
    Facts facts;
    facts.deletes = {"keys", 200, 1000};
    auto error = ask(config, facts);
    REQUIRE(error);
    CHECK(error->message == "refused: 200 of 1000 keys would be removed (guard max_delete = 10 %)");
    CHECK(error->details.at("largest") == "100 keys");
    facts.deletes->count = 100;
    CHECK_FALSE(ask(config, facts));
    config.max_delete_count = 50;
    error = ask(config, facts);
    REQUIRE(error);
    CHECK(error->details.at("largest") == "50 keys");
    facts.deletes.reset(); // a cache declares none
    CHECK_FALSE(ask(config, facts));
}

TEST_CASE("a freeze and too many operations at once are refused", "[guard]")
{
    GuardConfig config;
    config.freeze = {{k_now, k_now + std::chrono::hours(24), "christmas"}};
    auto error = ask(config, {});
    REQUIRE(error);
    CHECK(error->message == "refused: changes are frozen until 2026-12-25T10:00:00.000Z (guard freeze)");
    CHECK(error->cause == "christmas");
    config.freeze.front().to = k_now;
    CHECK_FALSE(ask(config, {}));
    config.max_concurrent = 2;
    Facts facts;
    facts.running = 1;
    CHECK_FALSE(ask(config, facts));
    facts.running = 2;
    CHECK(ask(config, facts));
}
