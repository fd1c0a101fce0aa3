// SPDX-License-Identifier: Apache-2.0
#include "agent/records/record.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;
using namespace conduit::agent;

TEST_CASE("cost is characters for speech, minutes for audio and tokens for chat")
{
    const Price price{0.015, 0.006, 0.06, 0.002};
    CHECK(cost_of(price, Operation::speech, 99, 2000, 99) == Approx(0.030));
    CHECK(cost_of(price, Operation::transcription, 90, 99, 99) == Approx(0.009));
    CHECK(cost_of(price, Operation::translation, 90, 99, 99) == Approx(0.009));
    CHECK(cost_of(price, Operation::realtime, 30, 99, 99) == Approx(0.03));
    CHECK(cost_of(price, Operation::chat, 99, 99, 500) == Approx(0.001));
    CHECK(cost_of({}, Operation::speech, 10, 10, 10) == 0);
    CHECK(cost_of(price, Operation::transcription, -5, 0, 0) == 0);
}

TEST_CASE("without a store nothing is kept and usage says so")
{
    auto records = make_null_records();
    records->push(0, {});
    CHECK(records->flush(Deadline{1s}).has_value());
    CHECK(records->stats().written == 0);
    const auto usage = records->usage({});
    REQUIRE_FALSE(usage.has_value());
    CHECK(usage.error().kind == ErrorKind::not_found);
    CHECK_FALSE(usage.error().hint.empty());
}

TEST_CASE("every use of the cache has a name")
{
    CHECK(cache_use_name(CacheUse::off) == "off");
    CHECK(cache_use_name(CacheUse::joined) == "joined");
}
