// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/reversal_watch.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;
using namespace conduit::ops;

namespace {

const WallTime k_now = *parse_time("2026-12-24T10:00:00Z");

Reversal reversal(std::string operation, Duration due_in = Duration{0})
{
    Reversal out;
    out.operation = std::move(operation);
    out.due = k_now + due_in;
    return out;
}

// At which seconds of `seconds` somebody is sent.
std::vector<int> sent(ReversalWatch& watch, const std::vector<Reversal>& reversals, int seconds)
{
    std::vector<int> out;
    for (int second = 0; second < seconds; ++second)
        if (watch.should_serve(reversals, k_now + std::chrono::seconds(second)))
            out.push_back(second);
    return out;
}

} // namespace

TEST_CASE("one is sent when a reversal comes due, and then ever less often while it stays", "[reversal]")
{
    ReversalWatch watch;
    CHECK(sent(watch, {reversal("a", Duration{3'000})}, 1000) ==
          std::vector{3, 13, 33, 73, 153, 313, 613, 913});
}

TEST_CASE("a reversal that comes due later does not wait for the pause of another", "[reversal]")
{
    ReversalWatch watch;
    CHECK(sent(watch, {reversal("a"), reversal("b", Duration{5'000})}, 20) == std::vector{0, 5, 15});
}

TEST_CASE("nobody is sent for what is stale, gone or not yet due", "[reversal]")
{
    ReversalWatch watch;
    auto stale = reversal("a");
    stale.state = "stale";
    CHECK(sent(watch, {stale, reversal("b", Duration{60'000})}, 30).empty());
    CHECK(sent(watch, {}, 30).empty());
}

TEST_CASE("a reversal that was carried out and set anew is served at once", "[reversal]")
{
    ReversalWatch watch;
    CHECK(watch.should_serve(std::vector{reversal("a")}, k_now));
    CHECK_FALSE(watch.should_serve(std::vector<Reversal>{}, k_now + std::chrono::seconds(1)));
    CHECK(watch.should_serve(std::vector{reversal("a")}, k_now + std::chrono::seconds(2)));
    CHECK(watch.should_serve(std::vector{reversal("a", Duration{3'000})}, k_now + std::chrono::seconds(3)));
}

TEST_CASE("the heartbeat is well within what is asked of a server, also when the clock is set back",
          "[reversal]")
{
    ReversalWatch watch;
    CHECK(watch.should_beat(k_now));
    CHECK_FALSE(watch.should_beat(k_now + std::chrono::seconds(29)));
    CHECK(watch.should_beat(k_now + std::chrono::seconds(30)));
    CHECK(watch.should_beat(k_now - std::chrono::hours(1)));
}
