// SPDX-License-Identifier: Apache-2.0
// What holds for every adapter.
#include "agent/providers/adapter.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace conduit;
using namespace conduit::agent;

TEST_CASE("every provider lists its own models and voices, and what the configuration adds, each once")
{
    for (const auto kind : {ProviderKind::openai, ProviderKind::google, ProviderKind::aws}) {
        INFO(kind_name(kind));
        const Adapter& adapter = adapter_for(kind);
        ProviderConfig provider;
        provider.kind = kind;
        const auto own_models = adapter.models(provider);
        const auto own_voices = adapter.voices(provider);
        REQUIRE_FALSE(own_models.empty());
        REQUIRE_FALSE(own_voices.empty());
        provider.models = {{Operation::speech, "house-model"},
                           {Operation::transcription, own_models.front()}};
        provider.voices = {{"house-voice", "x"}, {own_voices.front(), "y"}};
        auto models = own_models;
        models.emplace_back("house-model");
        auto voices = own_voices;
        voices.emplace_back("house-voice");
        CHECK(adapter.models(provider) == models);
        CHECK(adapter.voices(provider) == voices);
    }
}

TEST_CASE("realtime is refused by name where it is not offered")
{
    const auto refused = adapter_for(ProviderKind::google).realtime({}, "m", WallTime{});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::refused);
    CHECK(refused.error().message == "realtime is not offered by google");
    CHECK(adapter_for(ProviderKind::aws).realtime({}, "m", WallTime{}).error().message ==
          "realtime is not offered by aws");
}
