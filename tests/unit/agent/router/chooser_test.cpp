// SPDX-License-Identifier: Apache-2.0
#include "agent/router/chooser.hpp"
#include "tests/support/catch.hpp"

#include <cmath>
#include <deque>
#include <random>

using namespace conduit;
using namespace conduit::agent;

namespace {

constexpr SteadyTime k_start{std::chrono::hours{100}};

struct Fleet {
    Snapshot snapshot;
    std::deque<ProviderHealth> health;
    std::vector<ProviderHealth*> pointers;
    Chooser chooser;

    explicit Fleet(const std::vector<int>& weights)
    {
        for (const int weight : weights) {
            ProviderConfig provider;
            provider.name = "p" + std::to_string(snapshot.config.providers.size());
            provider.weight = weight;
            snapshot.config.providers.push_back(provider);
            pointers.push_back(&health.emplace_back());
        }
        snapshot.generation = 1;
    }

    std::optional<std::size_t> choose(Operation operation = Operation::speech, ProviderSet excluded = {})
    {
        return chooser.choose(snapshot, pointers, operation, excluded, k_start);
    }

    // Shares in per cent over `times` choices.
    std::vector<double> shares(int times, Operation operation = Operation::speech)
    {
        std::vector<double> counts(pointers.size(), 0);
        for (int i = 0; i < times; ++i)
            counts.at(choose(operation).value()) += 100.0 / times;
        return counts;
    }

    void set_weights(const std::vector<int>& weights)
    {
        for (std::size_t i = 0; i < weights.size(); ++i)
            snapshot.config.providers[i].weight = weights[i];
        ++snapshot.generation;
    }

    void open_circuit(std::size_t index)
    {
        for (int i = 0; i < 5; ++i)
            health[index].breaker.on_failure(k_start, {});
    }
};

} // namespace

TEST_CASE("equal and unequal weights give nginx's smooth sequence")
{
    Fleet fleet({5, 1, 1});
    std::string sequence;
    for (int i = 0; i < 14; ++i)
        sequence += static_cast<char>('a' + static_cast<char>(*fleet.choose()));
    CHECK(sequence == "aabacaaaabacaa");
}

TEST_CASE("weights 70/20/10 hold within 1.5 points over 10,000 requests, also after changes")
{
    Fleet fleet({70, 20, 10});
    const auto near = [](const std::vector<double>& shares, const std::vector<double>& wanted) {
        for (std::size_t i = 0; i < wanted.size(); ++i)
            CHECK(std::abs(shares[i] - wanted[i]) <= 1.5);
    };
    near(fleet.shares(10'000), {70, 20, 10});
    fleet.set_weights({10, 20, 70});
    near(fleet.shares(10'000), {10, 20, 70});
    fleet.set_weights({1000, 0, 1000});
    near(fleet.shares(10'000), {50, 0, 50});
}

TEST_CASE("any weights give each provider its share, never off by more than one request in a round")
{
    std::mt19937 random(7); // NOLINT(cert-msc32-c,cert-msc51-cpp): the same weights in every run
    for (int round = 0; round < 50; ++round) {
        std::vector<int> weights;
        int total = 0;
        for (std::size_t i = 0; i < 1 + random() % k_max_providers; ++i) {
            weights.push_back(1 + static_cast<int>(random() % 50));
            total += weights.back();
        }
        Fleet fleet(weights);
        std::vector<int> counts(weights.size(), 0);
        for (int i = 0; i < total; ++i)
            ++counts.at(*fleet.choose());
        CHECK(counts == weights);
    }
}

TEST_CASE("operations have running sums of their own")
{
    Fleet fleet({70, 20, 10});
    std::array<std::array<int, 3>, 2> counts{};
    for (int i = 0; i < 10'000; ++i) {
        // Strictly alternating: with one common sum each operation would see only every other turn.
        ++counts[0].at(*fleet.choose(Operation::speech));
        ++counts[1].at(*fleet.choose(Operation::transcription));
    }
    for (const auto& count : counts) {
        CHECK(count[0] == 7000);
        CHECK(count[1] == 2000);
    }
}

TEST_CASE("a lower health score scales the weight, and a recovering provider still gets a trickle")
{
    Fleet fleet({50, 50});
    fleet.health[0].score_milli = 500;
    CHECK(fleet.shares(9'000)[0] == Approx(33.3).margin(0.5));
    fleet.health[0].score_milli = 0;
    const auto shares = fleet.shares(10'000);
    CHECK(shares[0] > 3);
    CHECK(shares[0] < 7);
}

TEST_CASE("disabled, unsupporting and unavailable providers get nothing")
{
    Fleet fleet({70, 20, 10});
    SECTION("disabled")
    {
        fleet.snapshot.config.providers[0].enabled = false;
    }
    SECTION("operation switched off")
    {
        fleet.snapshot.config.providers[0].operations = {Operation::transcription};
        CHECK(fleet.shares(1000, Operation::transcription)[0] > 0);
    }
    SECTION("circuit open")
    {
        fleet.open_circuit(0);
    }
    SECTION("credential refused")
    {
        fleet.health[0].auth_failed = true;
    }
    SECTION("cooling down")
    {
        fleet.health[0].cooldown_until_ns =
            std::chrono::nanoseconds((k_start + 1s).time_since_epoch()).count();
    }
    SECTION("at its limit of requests in flight")
    {
        fleet.health[0].in_flight = 500;
    }
    const auto shares = fleet.shares(1000);
    CHECK(shares[0] == 0);
    CHECK(shares[1] == Approx(66.7).margin(0.2));
}

TEST_CASE("an excluded provider is not chosen again")
{
    Fleet fleet({70, 20, 10});
    for (int i = 0; i < 100; ++i) {
        const auto chosen = fleet.choose(Operation::speech, ProviderSet{1});
        REQUIRE(chosen);
        CHECK(*chosen != 0);
    }
}

TEST_CASE("weight 0 serves only as a fallback")
{
    Fleet fleet({70, 0, 0});
    CHECK(fleet.shares(100)[0] == Approx(100));
    fleet.open_circuit(0);
    const auto shares = fleet.shares(100);
    CHECK(shares[0] == 0);
    CHECK(shares[1] == Approx(50));
}

TEST_CASE("nothing is chosen when none is left, open circuits included")
{
    Fleet fleet({70, 20});
    fleet.open_circuit(0);
    fleet.health[1].auth_failed = true;
    CHECK_FALSE(fleet.choose());
    Fleet empty({});
    CHECK_FALSE(empty.choose());
    Fleet all({1, 1});
    CHECK_FALSE(all.choose(Operation::speech, ProviderSet{3}));
}

TEST_CASE("choosing does not use up the trial of a half-open circuit")
{
    Fleet fleet({1});
    fleet.open_circuit(0);
    CHECK(fleet.chooser.choose(fleet.snapshot, fleet.pointers, Operation::speech, {}, k_start + 5s));
    CHECK(fleet.health[0].breaker.allow(k_start + 5s));
    CHECK_FALSE(fleet.chooser.choose(fleet.snapshot, fleet.pointers, Operation::speech, {}, k_start + 5s));
}

TEST_CASE("what a provider kind cannot do is not asked of it")
{
    ProviderConfig provider;
    provider.kind = GENERATE(ProviderKind::google, ProviderKind::aws);
    CHECK(supports(provider, Operation::speech));
    CHECK(supports(provider, Operation::transcription));
    CHECK_FALSE(supports(provider, Operation::translation));
    CHECK_FALSE(supports(provider, Operation::realtime));
    CHECK_FALSE(supports(provider, Operation::chat));
}
