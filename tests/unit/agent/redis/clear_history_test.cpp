// SPDX-License-Identifier: Apache-2.0
#include "agent/cache/clear_history.hpp"
#include "tests/support/catch.hpp"

using namespace conduit::agent;
using News = ClearHistory::News;

TEST_CASE("what a clear names is dead at once, and the rest lives on")
{
    ClearHistory history;
    CHECK(history.note({}) == News::none);
    CHECK(history.alive("audio:tts:a", 0, 0));
    CHECK(history.note({7, 1, "audio:tts:"}) == News::clear);
    CHECK_FALSE(history.alive("audio:tts:a", 0, 7));
    CHECK(history.alive("audio:stt:a", 0, 7));
    CHECK(history.alive("audio:tts:a", 7, 7));
    CHECK(history.note({9, 2, "audio:stt:"}) == News::clear);
    CHECK_FALSE(history.alive("audio:tts:a", 0, 9)); // the older clear still holds
    CHECK(history.alive("audio:tts:a", 7, 9));
    CHECK_FALSE(history.alive("audio:stt:a", 7, 9));
    CHECK(history.note({9, 2, "audio:stt:"}) == News::none);
}

TEST_CASE("a replica that starts later trusts nothing from before what it has seen")
{
    ClearHistory history;
    history.note({9, 2, "audio:stt:"});
    CHECK_FALSE(history.alive("audio:tts:a", 0, 9)); // clear 1 may have been of this prefix
    CHECK_FALSE(history.alive("audio:tts:a", 8, 9));
    CHECK(history.alive("audio:tts:a", 9, 9));
    CHECK(history.note({12, 3, "audio:stt:"}) == News::clear);
    CHECK(history.alive("audio:tts:a", 9, 12));
}

TEST_CASE("a clear that was missed takes everything with it")
{
    ClearHistory history;
    history.note({3, 1, "audio:tts:"});
    CHECK(history.note({9, 3, "audio:stt:"}) == News::gap);
    CHECK_FALSE(history.alive("audio:tts:a", 3, 9));
    CHECK(history.alive("audio:tts:a", 9, 9));
}

TEST_CASE("a mark of another life of the control state is never believed")
{
    ClearHistory history;
    history.note({50, 4, "audio:"});
    CHECK_FALSE(history.alive("audio:tts:a", 51, 50));
    CHECK(history.note({0, 0, ""}) == News::gap); // the state was lost
    CHECK_FALSE(history.alive("audio:tts:a", 50, 0));
    CHECK(history.note({2, 1, "audio:stt:"}) == News::clear);
    CHECK_FALSE(history.alive("audio:tts:a", 1, 2)); // of the first life, cleared there perhaps
    CHECK(history.alive("audio:tts:a", 2, 2));
}
