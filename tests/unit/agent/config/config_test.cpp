// SPDX-License-Identifier: Apache-2.0
#include "agent/config/config.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::agent;

namespace {

TempDir temp()
{
    auto made = TempDir::make("config");
    REQUIRE(made);
    return std::move(*made);
}

std::string all_faults(std::string_view yaml, const fs::path& file = "/etc/conduit/agent.yaml")
{
    const auto parsed = parse_config(yaml, file);
    std::string text;
    if (!parsed)
        for (const auto& error : parsed.error())
            text += error.message + "\n";
    return text;
}

constexpr std::string_view k_own = "providers:\n  own: {kind: openai, endpoint: 'http://127.0.0.1:9000'}\n";

} // namespace

TEST_CASE("the documented configuration is read with every value in its place")
{
    const auto dir = temp();
    for (const auto* name : {"openai", "google", "aws1", "aws2"})
        REQUIRE(write_file(dir.path() / name, fmt::format("secret-of-{}\n", name)));
    const auto yaml = R"(
listen: {data: 0.0.0.0:8080, admin: 0.0.0.0:9091}
admin:  {tokens: /run/secrets/admin-tokens}
providers:
  openai: {kind: openai, enabled: true, weight: 70, endpoint: https://api.openai.com, key: "file:openai", timeout: 120s,
           max_connections: 100, max_concurrent: 500, models: {transcription: whisper-1, speech: tts-1}, price: {speech_per_1k_characters: 0.015, transcription_per_minute: 0.006}}
  google: {kind: google, weight: 20, key: "file:google", regions: {us-east: https://us.example.com, eu-west: https://eu.example.com}, region: eu-west}
  aws:    {kind: aws, weight: 10, region: us-east-1, access_key: "file:aws1", secret_key: "file:aws2"}
pool:   {max_idle: 15m, connect_timeout: 30s}
cache:  {store: memory, max_bytes: 1Gi, ttl: {transcription: 30m, speech: 1h}}
limits: {per_key: 1000/h, global: 0, retry_budget: 20%, retry_floor: 100/10s}
safety: {enabled: true, rules: /etc/conduit/safety.yaml, emergency: false}
control: {store: sqlite, path: /var/lib/conduit/control.db}
records: {store: sqlite, path: /var/lib/conduit/records.db}
keys:   {file: api-keys}
)";
    const auto file = dir.path() / "agent.yaml";
    INFO(all_faults(yaml, file));
    const auto config = parse_config(yaml, file);
    REQUIRE(config);
    REQUIRE(config->providers.size() == 3);
    const auto& openai = config->providers[0];
    CHECK(openai.name == "openai");
    CHECK(openai.weight == 70);
    CHECK(openai.key == "secret-of-openai");
    CHECK(openai.timeout == Duration{120'000});
    CHECK(openai.models.at(Operation::speech) == "tts-1");
    CHECK(openai.price.transcription_per_minute == 0.006);
    CHECK(config->providers[1].region == "eu-west");
    CHECK(config->providers[2].kind == ProviderKind::aws);
    CHECK(config->providers[2].secret_key == "secret-of-aws2");
    CHECK(config->listen.admin.port == 9091);
    CHECK(config->cache.max_bytes == 1U << 30U);
    CHECK(config->limits.per_key == Rate{1000, Duration{3'600'000}});
    CHECK(config->limits.retry_budget == Approx(0.2));
    CHECK(config->keys_file == dir.path() / "api-keys");
    CHECK(config->secret_files.size() == 4);
    CHECK(config->sha256.size() == 64);
}

TEST_CASE("all faults of a configuration are told at once, each with its line")
{
    const auto text = all_faults("listn: {}\n"
                                 "providers:\n"
                                 "  openai:\n"
                                 "    kind: openai\n"
                                 "    weight: 1001\n"
                                 "    endpiont: https://api.openai.com\n"
                                 "    key: sk-plain-secret\n"
                                 "    timeout: 0s\n"
                                 "pool: {max_idle: fast}\n");
    CHECK(text.find("agent.yaml:1: unknown key 'listn'; did you mean listen?") != std::string::npos);
    CHECK(text.find("agent.yaml:5: 'weight' must be from 0 to 1000, not 1001") != std::string::npos);
    CHECK(text.find("agent.yaml:6: unknown key 'endpiont'; did you mean endpoint") != std::string::npos);
    CHECK(text.find("agent.yaml:7: a secret is named here, not written") != std::string::npos);
    CHECK(text.find("agent.yaml:8: 'timeout' must be longer than 0") != std::string::npos);
    CHECK(text.find("agent.yaml:9:") != std::string::npos);
    CHECK(text.find("sk-plain-secret") == std::string::npos);
}

TEST_CASE("a secret is read from a file or the environment and a missing one names its path")
{
    ::setenv("CONDUIT_TEST_SECRET", "from-env", 1);
    const auto config = parse_config("providers:\n  a: {kind: openai, key: 'env:CONDUIT_TEST_SECRET'}\n", "");
    REQUIRE(config);
    CHECK(config->providers[0].key == "from-env");
    CHECK(all_faults("providers:\n  a: {kind: openai, key: 'file:/no/such/secret'}\n")
              .find("/no/such/secret") != std::string::npos);
    CHECK(all_faults("providers:\n  a: {kind: openai, key: 'env:CONDUIT_NOT_SET'}\n")
              .find("CONDUIT_NOT_SET is not set") != std::string::npos);
}

TEST_CASE("the effective configuration shows fingerprints in place of secrets")
{
    ::setenv("CONDUIT_TEST_SECRET", "planted-value", 1);
    const auto config = parse_config("providers:\n  a: {kind: openai, key: 'env:CONDUIT_TEST_SECRET'}\n", "");
    REQUIRE(config);
    const auto text = dump_json(config_json(*config));
    CHECK(text.find("planted-value") == std::string::npos);
    CHECK(text.find("\"fingerprint\":\"sha256:") != std::string::npos);
}

TEST_CASE("names given twice, missing kinds and missing credentials are faults")
{
    CHECK(all_faults("providers:\n  a: {kind: openai, endpoint: 'http://127.0.0.1:1'}\n"
                     "  a: {kind: openai, endpoint: 'http://127.0.0.1:2'}\n")
              .find("'a' is given twice") != std::string::npos);
    CHECK(all_faults("providers: {a: {}}\n").find("needs 'kind'") != std::string::npos);
    CHECK(all_faults("providers: {a: {kind: aws}}\n").find("needs 'access_key'") != std::string::npos);
    CHECK(all_faults("providers: {a: {kind: aws}}\n").find("needs 'region'") != std::string::npos);
    CHECK(all_faults("providers: {a/b: {kind: openai}}\n").find("cannot be a provider's name") !=
          std::string::npos);
    CHECK(all_faults("providers: {}\n").find("no provider is configured") != std::string::npos);
    CHECK(all_faults("").find("no provider is configured") != std::string::npos);
}

TEST_CASE("plain http is for this host only unless the provider says insecure")
{
    CHECK(all_faults(k_own).empty());
    const std::string remote = "kind: openai, endpoint: 'http://whisper.example.com'";
    CHECK(all_faults("providers: {a: {" + remote + "}}\n").find("unencrypted") != std::string::npos);
    CHECK(all_faults("providers: {a: {" + remote + ", insecure: true}}\n").empty());
    CHECK_FALSE(all_faults("providers: {a: {kind: openai, endpoint: 'ftp://x'}}\n").empty());
    CHECK_FALSE(all_faults("providers: {a: {kind: openai, endpoint: 'http://127.evil.example'}}\n").empty());
}

TEST_CASE("without a key file only this host may be listened on")
{
    CHECK(all_faults(std::string(k_own) + "listen: {data: '127.0.0.1:0'}\n").empty());
    CHECK(all_faults(std::string(k_own) + "listen: {data: '0.0.0.0:0'}\n").find("without a key file") !=
          std::string::npos);
    CHECK(all_faults(std::string(k_own) + "listen: {data: '0.0.0.0:0'}\nkeys: {file: /k}\n").empty());
}

TEST_CASE("more providers than the request path can hold are a fault")
{
    std::string yaml = "providers:\n";
    for (std::size_t i = 0; i <= k_max_providers; ++i)
        yaml += fmt::format("  p{}: {{kind: openai, endpoint: 'http://127.0.0.1:9000'}}\n", i);
    CHECK(all_faults(yaml).find("17 providers, at most 16") != std::string::npos);
}

TEST_CASE("hostile configurations are faults and never a crash")
{
    for (const std::string yaml :
         {"[", "\xff\xfe", "providers: [1, 2]", "providers: {a: [1]}", "providers: {a: ~}", "- 1\n- 2\n", "5",
          "? [a, b]\n: c\n", "&a [*a]", "listen: []\n", "limits: {per_key: -1/h}\n",
          "providers: {a: {kind: openai, price: {speech_per_1k_characters: nan}}}\n"}) {
        INFO(yaml);
        CHECK_FALSE(all_faults(yaml).empty());
    }
    CHECK_FALSE(all_faults(std::string(100'000, '[')).empty());
}

TEST_CASE("a listener's TLS needs both files and names them")
{
    const auto config =
        parse_config(fmt::format("listen: {{data_tls: {{certificate: c.pem, key: k.pem}}}}\n{}", k_own),
                     "/etc/c/agent.yaml");
    REQUIRE(config);
    CHECK(config->listen.data_tls.on());
    CHECK(config->listen.data_tls.certificate == "/etc/c/c.pem");
    CHECK_FALSE(config->listen.admin_tls.on());
    CHECK(all_faults(fmt::format("listen: {{data_tls: {{certificate: c.pem}}}}\n{}", k_own))
              .contains("'data_tls' needs 'key'"));
    CHECK(all_faults(fmt::format("listen: {{data_tls: {{certificate: c.pem, keey: k.pem}}}}\n{}", k_own))
              .contains("keey"));
}

TEST_CASE("a control store in a cluster needs names that the cluster takes")
{
    const auto control = [](const std::string& text) {
        return parse_config("providers: {openai: {kind: openai, key: \"env:HOME\"}}\ncontrol: " + text,
                            "agent.yaml");
    };
    const auto good = control("{store: configmap, name: router-state, namespace: audio}");
    REQUIRE(good);
    CHECK(good->control.name == "router-state");
    CHECK(good->control.name_space == "audio");
    CHECK(control("{store: configmap}")->control.name == "conduit-control");
    const auto bad = control("{store: configmap, name: Router_State}");
    REQUIRE_FALSE(bad);
    CHECK(bad.error().front().message.contains("names of the cluster's objects"));
    CHECK_FALSE(control("{store: configmap, name: a, namespace: ../b}"));
}
