// SPDX-License-Identifier: Apache-2.0
#include "agent/control/snapshot.hpp"
#include "tests/support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::agent;

namespace {

Config base()
{
    Config config;
    for (const auto* name : {"openai", "google"}) {
        ProviderConfig provider;
        provider.name = name;
        provider.weight = 10;
        provider.regions = {{"us", "https://us.example.com"}};
        config.providers.push_back(provider);
    }
    config.keys_file = "keys.yaml";
    return config;
}

ControlState state(const std::map<std::string, Json>& values)
{
    ControlState out;
    out.revision = 7;
    for (const auto& [path, value] : values)
        out.overrides[path].value = value;
    return out;
}

struct Row {
    const char* path;
    Json value;
};

const std::vector<Row> k_every_path{
    {"providers/openai/enabled", false},
    {"providers/openai/weight", 70},
    {"providers/openai/max_connections", 5},
    {"providers/openai/max_concurrent", 6},
    {"providers/openai/timeout", "3m"},
    {"providers/openai/first_byte_timeout", "3s"},
    {"providers/openai/realtime_drain", "20s"},
    {"providers/openai/endpoint", "https://other.example.com"},
    {"providers/openai/regions/eu", "https://eu.example.com"},
    {"providers/openai/region", "us"},
    {"providers/openai/models/speech", "tts-1-hd"},
    {"providers/openai/circuit_epoch", 3},
    {"pool/reset_epoch", 4},
    {"pool/realtime_drain", "40s"},
    {"pool/max_idle", "1m"},
    {"pool/connect_timeout", "2s"},
    {"cache/ttl/speech", "2h"},
    {"cache/ttl/transcription", "5m"},
    {"cache/max_bytes", 1024},
    {"cache/enabled", false},
    {"cache/clear", {{"epoch", 2}, {"prefix", "audio:tts:"}}},
    {"limits/per_key", "100/m"},
    {"limits/global", "50/s"},
    {"limits/keys/team-a", "10/s"},
    {"limits/emergency", {{"requests_per_minute", 100}}},
    {"blocklist/team-b", {{"reason", "abuse"}}},
    {"safety/enabled", true},
    {"safety/emergency", true},
};

std::vector<ApiKey> keys()
{
    std::vector<ApiKey> out(2);
    out[0].id = "team-a";
    out[0].digest = sha256("key-a");
    out[1].id = "team-b";
    out[1].digest = sha256("key-b");
    return out;
}

} // namespace

TEST_CASE("every path of the table can be set and read back, and reads the base value before")
{
    Limiter limiter;
    CHECK(k_every_path.size() == known_paths().size());
    for (const auto& [path, value] : k_every_path) {
        INFO(path);
        CHECK(check_override(base(), path, value));
        const auto before = build_snapshot(base(), {}, keys(), 1, limiter);
        const auto after = build_snapshot(base(), state({{path, value}}), keys(), 1, limiter);
        CHECK(after.skipped.empty());
        const auto old = effective_value(*before.snapshot, path);
        const auto now = effective_value(*after.snapshot, path);
        REQUIRE(old);
        REQUIRE(now);
        CHECK(*old != *now);
        CHECK(*now == value);
    }
}

TEST_CASE("values of a wrong type or range are refused with the path")
{
    const std::vector<Row> bad{
        {"providers/openai/enabled", "yes"},
        {"providers/openai/weight", 1001},
        {"providers/openai/weight", -1},
        {"providers/openai/weight", 1.5},
        {"providers/openai/weight", nullptr},
        {"providers/openai/max_connections", 0},
        {"providers/openai/max_concurrent", 18446744073709551615ULL},
        {"providers/openai/timeout", "0s"},
        {"providers/openai/timeout", 5},
        {"providers/openai/endpoint", "http://far.example.com"},
        {"providers/openai/regions/eu", "not a url"},
        {"providers/openai/region", "mars"},
        {"providers/openai/models/speech", ""},
        {"cache/clear", {{"epoch", 1}, {"prefix", ""}}},
        {"cache/clear", {{"epoch", 1}}},
        {"limits/per_key", "fast"},
        {"limits/emergency", {{"requests_per_minute", 0}}},
        {"limits/emergency", 100},
        {"blocklist/team-a", "x"},
        {"blocklist/a b", Json::object()},
    };
    for (const auto& [path, value] : bad) {
        INFO(path << " " << value.dump());
        const auto result = check_override(base(), path, value);
        REQUIRE_FALSE(result);
        CHECK(result.error().kind == ErrorKind::usage);
    }
}

TEST_CASE("unknown paths and providers are not found and the nearest is named")
{
    const auto provider = check_override(base(), "providers/opnai/weight", 1);
    REQUIRE_FALSE(provider);
    CHECK(provider.error().kind == ErrorKind::not_found);
    CHECK(provider.error().message.find("openai") != std::string::npos);
    const auto field = check_override(base(), "providers/openai/wieght", 1);
    REQUIRE_FALSE(field);
    CHECK(field.error().kind == ErrorKind::not_found);
    CHECK(field.error().message.find("providers/openai/weight") != std::string::npos);
    for (const auto* path : {"", "/", "providers", "providers/openai", "providers/openai/weight/x", "pool/"})
        CHECK_FALSE(check_override(base(), path, 1));
}

TEST_CASE("an override that no longer fits is skipped, reported, and harms no other")
{
    Limiter limiter;
    const auto built = build_snapshot(
        base(), state({{"providers/gone/weight", 5}, {"providers/openai/weight", 33}, {"pool/max_idle", 9}}),
        {}, 1, limiter);
    CHECK(built.skipped.size() == 2);
    CHECK(find_provider(built.snapshot->config, "openai")->weight == 33);
    CHECK(built.snapshot->revision == 7);
}

TEST_CASE("a region may be chosen that another override defines")
{
    Limiter limiter;
    const auto built = build_snapshot(
        base(),
        state({{"providers/openai/region", "eu"}, {"providers/openai/regions/eu", "https://eu.example.com"}}),
        {}, 1, limiter);
    CHECK(built.skipped.empty());
    CHECK(find_provider(built.snapshot->config, "openai")->region == "eu");
}

TEST_CASE("keys are blocked by id and by digest, and keep their slot over snapshots")
{
    Limiter limiter;
    const auto first = build_snapshot(base(), {}, keys(), 1, limiter);
    const auto second =
        build_snapshot(base(),
                       state({{"blocklist/team-a", Json::object()},
                              {"blocklist/" + digest_id(sha256("key-b")), Json::object()},
                              {"blocklist/" + digest_id(sha256("stranger")), Json::object()}}),
                       keys(), 1, limiter);
    CHECK(second.skipped.empty());
    CHECK_FALSE(first.snapshot->keys.find("key-a")->blocked);
    CHECK(second.snapshot->keys.find("key-a")->blocked);
    CHECK(second.snapshot->keys.find("key-b")->blocked);
    CHECK(first.snapshot->keys.find("key-a")->slot == second.snapshot->keys.find("key-a")->slot);
    CHECK(is_blocked(*second.snapshot, "stranger"));
    CHECK_FALSE(is_blocked(*second.snapshot, "somebody"));
    CHECK_FALSE(is_blocked(*first.snapshot, "key-a"));
}
