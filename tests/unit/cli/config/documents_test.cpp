// SPDX-License-Identifier: Apache-2.0
#include "cli/config/documents.hpp"
#include "cli/config/masking.hpp"
#include "cli/config/three_way.hpp"
#include "core/hash.hpp"
#include "tests/support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;

namespace {

constexpr auto k_yaml =
    "# of the router\nAudioService:\n  Providers:\n    OpenAI:\n      Enabled: true # primary\n"
    "      TimeoutSeconds: 60\n  RequestTimeoutSeconds: 120\n";

std::string edited(std::string_view name, std::string_view text, std::string_view path, const Json& value)
{
    const auto out = edit_document(name, text, path, value);
    return out ? *out : "error: " + out.error().message;
}

} // namespace

TEST_CASE("a value within YAML changes where it stands, with its comments")
{
    const auto out = edited("audio.yaml", k_yaml, "AudioService.Providers.OpenAI.Enabled", false);
    CHECK(out.contains("      Enabled: false # primary\n"));
    CHECK(out.starts_with("# of the router\n"));
    CHECK(document_value("audio.yaml", out, "AudioService.Providers.OpenAI.Enabled").value() == Json(false));
    CHECK(document_value("audio.yaml", out, "AudioService.Nothing.Here").value().is_null());
    CHECK(edited("audio.yaml", out, "AudioService.Providers.OpenAI.Enabled", true) == k_yaml);
    CHECK(document_path("a.yaml", R"(a\.b.c)") == std::vector<std::string>{"a.b", "c"});
}

TEST_CASE("a value within JSON changes and the order of the keys stays")
{
    const std::string json = "{\n    \"b\": {\n        \"x\": 1\n    },\n    \"a\": 2\n}\n";
    CHECK(edited("appsettings.json", json, "b.x", 300) ==
          "{\n    \"b\": {\n        \"x\": 300\n    },\n    \"a\": 2\n}\n");
    CHECK(
        edited("appsettings.json", json, "c.d", true).contains("\"c\": {\n        \"d\": true\n    }\n}\n"));
    CHECK(edited("appsettings.json", R"({"a":1})", "a", nullptr) == "{}");
    CHECK(edited("appsettings.json", json, "a.b", 1).starts_with("error: there is no map"));
}

TEST_CASE("a value within .env and .properties changes on its line")
{
    const std::string env = "# cache\nexport TTL=3600\nMODE=fast\nTTL=1\n";
    CHECK(edited("x.env", env, "TTL", "60") == "# cache\nexport TTL=60\nMODE=fast\n");
    CHECK(edited("x.env", env, "NEW", 5) == env + "NEW=5\n");
    CHECK(edited("x.env", env, "MODE", nullptr) == "# cache\nexport TTL=3600\nTTL=1\n");
    CHECK(document_value("x.properties", "cache.ttl = 30\n", "cache.ttl").value() == Json("30"));
    CHECK(edited("x.properties", "cache.ttl = 30\n", "cache.ttl", 60) == "cache.ttl = 60\n");
    CHECK(edited("x.env", env, "MODE", "a\nb").starts_with("error:"));
    CHECK(edited("plain", "a=1", "a", 2).starts_with("error: 'plain' has no values within"));
}

TEST_CASE("a text that is not what its name says is told with its line")
{
    CHECK(check_document("a.yaml", k_yaml));
    CHECK(check_document("a.yaml", "a: 1\n---\nb: 2\n"));
    CHECK(check_document("a.yaml", "a: 1\n---\nb: [\n").error().message.starts_with("a.yaml:"));
    CHECK(check_document("a.json", "{]").error().kind == ErrorKind::usage);
    CHECK(check_document("a.env", "A=1\n# c\n\nB=\"x y\"\n"));
    CHECK(check_document("a.env", "A=1\nnonsense\n").error().message ==
          "a.env:2: a line KEY=VALUE is expected");
    CHECK(check_document("a.properties", "a = b \\\n  c\nd: e\n"));
    CHECK(check_document("notes", "anything { at all"));
}

TEST_CASE("texts of hostile input end with an error or a text, never otherwise")
{
    const std::string deep(100'000, '[');
    for (const std::string& text :
         {std::string("\xff\xfe\x00", 3), deep, std::string("{\"a\":"), std::string("=\n:\n"),
          std::string("- a\n- b"), std::string("a: &x 1\nb: *x\n"), std::string("\\")})
        for (const auto* name : {"a.yaml", "a.json", "a.env", "a.properties"}) {
            (void)check_document(name, text).has_value();
            (void)document_value(name, text, "a.b").has_value();
            (void)edit_document(name, text, "a.b", 1).has_value();
            (void)edit_document(name, text, "", 1).has_value();
            CHECK_FALSE(masked(name, text).empty());
        }
}

TEST_CASE("what looks like a secret is hidden, and the rest of its text is not")
{
    for (const auto* name :
         {"REDIS_PASSWORD", "OPENAI_API_KEY", "apiKey", "auth.token", "client-secret", "requirepass"})
        CHECK(names_secret(name));
    for (const auto* name :
         {"TTS_CACHE_TTL", "MAX_TOKENS", "max_tokens", "TOKEN_TTL", "PASSWORD_FILE", "KEYSPACE"})
        CHECK_FALSE(names_secret(name));
    CHECK(masked("REDIS_URL", "redis://:hunter22@redis:6379/0") == "redis://:********@redis:6379/0");
    CHECK(masked("REDIS_URL", "redis://redis:6379") == "redis://redis:6379");
    CHECK(masked("X", "sk-proj-abcdefghijklmnop1234") == "********");
    CHECK(masked("TTS_MODEL", "tts-1") == "tts-1");
    CHECK(masked("REDIS_PASSWORD", "x") == "********");
    CHECK(masked("redis.conf", "maxmemory 2gb\nrequirepass hunter22\nuser app on >hunter23 ~* +@all\n") ==
          "maxmemory 2gb\nrequirepass ********\nuser app on >******** ~* +@all\n");
    const auto json = masked("a.json", R"({"name":"x","db":{"password":"hunter22","port":1}})");
    CHECK_FALSE(json.contains("hunter22"));
    CHECK(json.contains(R"("port":1)"));
    const auto yaml =
        masked("a.yaml", "db:\n  credentials:\n    - hunter22\n    - hunter23\n  port: 1 # hunter22\n");
    CHECK_FALSE(yaml.contains("hunter2"));
    CHECK(yaml.contains("port: 1"));
    CHECK_FALSE(masked("k", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----\n")
                    .contains("MIIE"));
}

TEST_CASE("a large text full of secrets is hidden in a moment, or as a whole")
{
    std::string text;
    std::string yaml = "passwords:\n";
    for (int i = 0; i < 20'000; ++i) {
        text += "x redis://a:hunter2@h sk-0123456789abcdef0123 -----BEGIN PRIVATE KEY-----MIIE-----END "
                "PRIVATE KEY-----\n";
        yaml += "  - hunter2" + std::to_string(i) + "\n";
    }
    const auto safe = masked("text", text);
    for (const auto* secret : {"hunter2", "0123456789", "MIIE"})
        CHECK_FALSE(safe.contains(secret));
    CHECK(safe.contains("-----END PRIVATE KEY-----"));
    CHECK(masked("a.yaml", yaml) == "********");
    CHECK(masked("a.yaml", "password:\n  - hunter2\n  - [") == "********");
    const auto two = masked("a.yaml", "a: 1\n---\npasswords: {x: hunter2}\n");
    CHECK(two.starts_with("a: 1\n---\n"));
    CHECK_FALSE(two.contains("hunter2"));
}

TEST_CASE("applying a file changes what files put there, and shows what somebody else did")
{
    const Texts applied{{"same", sha256_hex("1")},
                        {"ours", sha256_hex("1")},
                        {"gone", sha256_hex("1")},
                        {"theirs", sha256_hex("1")},
                        {"deleted", sha256_hex("1")}};
    const Texts live{{"same", "1"},   {"ours", "1"},    {"gone", "1"},
                     {"theirs", "9"}, {"foreign", "x"}, {"other", "x"}};
    const Texts file{{"same", "1"}, {"ours", "2"},  {"theirs", "2"},
                     {"new", "5"},  {"other", "y"}, {"deleted", "1"}};
    std::string told;
    for (const auto& change : three_way(applied, file, live))
        told += change.key + "=" + change.after.value_or("-") + (change.conflict ? "! " : " ");
    CHECK(told == "deleted=1! gone=- new=5 other=y! ours=2 theirs=2! ");
    CHECK(three_way({}, live, live).empty());
}
