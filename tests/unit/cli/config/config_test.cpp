// SPDX-License-Identifier: Apache-2.0
#include "cli/config/config.hpp"
#include "cli/config/paths.hpp"
#include "cli/config/schema.hpp"
#include "tests/support/catch.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace conduit;

namespace {

// The example of the format's description, whole.
constexpr std::string_view k_example = R"(current-context: prod
contexts:
  local: {system: audio, orchestrator: local, dir: ~/.local/share/conduit}
  prod:
    system: audio
    orchestrator: kubernetes
    kubernetes: {kubeconfig: ~/.kube/config, context: eks-1, namespace: production}
    agent: {workload: conduit-audio-service, port: admin, token: "kubernetes:production/conduit-agent-tokens/operator"}
    redis: {service: redis-master, password: "kubernetes:production/redis/password"}
    postgres: {service: postgres, database: conduit, user: conduit, password: "command:pass show conduit/pg"}
    prometheus: {url: "http://prometheus.monitoring:9090", via: cluster}
    backup: {repository: "s3://conduit-backups/prod", region: us-west-2, recipients: [age1abc], keep: {daily: 7, weekly: 5, monthly: 12}}
    guards: {protected: true, min_replicas: 3, max_replicas: 10, min_healthy_providers: 2, max_delete: 10%}
)";

const ConfigPlaces k_places{.file = "config.yaml", .home = "/home/maria", .local_dir = "/data"};

struct Folder {
    TempDir dir = TempDir::make().value();
    ConfigPlaces places{.file = dir.path() / "conf/config.yaml", .home = "/home/maria", .local_dir = "/data"};
    void write(std::string_view text)
    {
        REQUIRE(make_dirs(places.file.parent_path()));
        REQUIRE(write_file(places.file, text));
    }
    std::string read() const { return read_file(places.file).value(); }
};

} // namespace

TEST_CASE("the documented example is read whole")
{
    const auto config = parse_config(k_example, k_places);
    REQUIRE(config);
    CHECK(config->current_context == "prod");
    CHECK(config->find("local")->dir == "/home/maria/.local/share/conduit");
    const Context& prod = *config->find("prod");
    CHECK(prod.orchestrator == OrchestratorKind::kubernetes);
    CHECK(prod.kubernetes.kubeconfig == "/home/maria/.kube/config");
    CHECK(prod.kubernetes.name_space == "production");
    CHECK(prod.agent.token.source == SecretRef::Source::kubernetes);
    CHECK(prod.postgres.password.str() == "command:pass show conduit/pg");
    CHECK(prod.backup.keep_monthly == 12);
    CHECK(prod.redis.set());
    CHECK(prod.redis.port == 6379);
    CHECK_FALSE(config->find("local")->postgres.set());
    CHECK(prod.backup.recipients == std::vector<std::string>{"age1abc"});
    CHECK(prod.guards.protected_context);
    CHECK(prod.guards.min_replicas == 3);
    CHECK(prod.guards.max_delete_share == Approx(0.1));
}

TEST_CASE("without a file there is one context, local")
{
    const Folder folder;
    const auto config = load_config(folder.places);
    REQUIRE(config);
    CHECK_FALSE(config->exists);
    CHECK(config->current_context == "local");
    REQUIRE(config->contexts.size() == 1);
    CHECK(config->contexts.front().dir == "/data");
}

TEST_CASE("a fault names the file, the line and the nearest key")
{
    const auto config = parse_config("contexts:\n  prod:\n    orchestrater: local\n", k_places);
    REQUIRE_FALSE(config);
    CHECK(config.error().kind == ErrorKind::usage);
    CHECK(config.error().message == "config.yaml:3: unknown key 'orchestrater'; did you mean orchestrator?");
}

TEST_CASE("all faults of a file are found at once")
{
    const auto errors =
        check_config("current-contxt: a\ncontexts:\n  p:\n    orchestrator: kube\n    guards: {min_replicas: "
                     "many, protected: maybe}\n    redis: [1]\n",
                     k_places);
    CHECK(errors.size() == 5);
}

TEST_CASE("a secret written into the file is refused and not repeated")
{
    const auto config = parse_config("contexts: {p: {agent: {token: s3cr3t-value}}}", k_places);
    REQUIRE_FALSE(config);
    CHECK(config.error().message.find("s3cr3t") == std::string::npos);
    CHECK(config.error().hint.find("file:PATH") != std::string::npos);
}

TEST_CASE("damaged files are errors, never crashes")
{
    const auto* text = GENERATE("contexts: [1, 2]", "{", "contexts: {a: 3}", "- x", "\xff\xfe",
                                "contexts: {a: {guards: "
                                "{min_replicas: -1}}}",
                                "a: &x [*x]", "contexts: {p: {guards: {min_replicas: 99999999999}}}");
    CAPTURE(text);
    CHECK_FALSE(parse_config(text, k_places));
}

TEST_CASE("a store is shown as it was written, its secrets as references")
{
    const auto config = parse_config(
        "contexts:\n  prod:\n    redis: {sentinels: [a:26379, b:26379], master: cache, password: \"env:R\",\n"
        "            tls: {enabled: true, ca: /ca.pem}}\n"
        "    postgres: {host: /run/postgresql, ssl_mode: verify-full}\n"
        "    backup: {repository: \"s3://b/p\", endpoint: \"http://s3:9000\", path_style: true, parts: "
        "[postgres],\n"
        "             access_key: \"file:/k\", heartbeat: \"https://hc/1\"}\n",
        {});
    REQUIRE(config);
    const auto shown = context_json(*config->find("prod"));
    CHECK(shown["redis"] == Json::parse(R"({"sentinels": ["a:26379", "b:26379"], "master": "cache",
        "password": "env:R", "tls": {"enabled": true, "ca": "/ca.pem"}})"));
    CHECK(shown["postgres"] ==
          Json::parse(R"({"host": "/run/postgresql", "ssl_mode": "verify-full", "port": 5432})"));
    CHECK(shown["backup"]["access_key"] == "file:/k");
    CHECK(shown["backup"]["path_style"] == true);
    CHECK(shown["backup"]["keep"]["daily"] == 0);
}

TEST_CASE("choosing a context changes one line and keeps the comments")
{
    Folder folder;
    folder.write(
        "# mine\ncurrent-context: local # here\ncontexts:\n  prod: {orchestrator: kubernetes} # eks\n");
    REQUIRE(save_current_context(folder.places, "prod"));
    CHECK(folder.read() ==
          "# mine\ncurrent-context: prod # here\ncontexts:\n  prod: {orchestrator: kubernetes} # eks\n");
    const auto unknown = save_current_context(folder.places, "prd");
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().kind == ErrorKind::not_found);
}

TEST_CASE("a field is set only when the result is a good configuration")
{
    Folder folder;
    folder.write("# a comment\ncontexts:\n  prod: {system: audio}\n");
    const std::string before = folder.read();
    CHECK_FALSE(save_context_field(folder.places, "prod", "guards.min_replcas", "3"));
    CHECK(folder.read() == before);
    REQUIRE(save_context_field(folder.places, "prod", "guards.min_replicas", "3"));
    CHECK(load_config(folder.places)->find("prod")->guards.min_replicas == 3);
    CHECK(folder.read().starts_with("# a comment\n"));
    CHECK_FALSE(fs::exists(folder.places.file.string() + ".bak"));
    REQUIRE(save_context_field(folder.places, "prod", "guards.min_replicas", ""));
    CHECK_FALSE(load_config(folder.places)->find("prod")->guards.min_replicas);
}

TEST_CASE("a field is set where it stands, and every comment stays")
{
    Folder folder;
    folder.write("# mine\ncontexts:\n  prod: # the big one\n    system: audio # for now\n# the end\n");
    REQUIRE(save_context_field(folder.places, "prod", "guards.min_replicas", "3"));
    CHECK(folder.read() == "# mine\ncontexts:\n  prod: # the big one\n    system: audio # for now\n"
                           "    guards:\n      min_replicas: 3\n# the end\n");
    REQUIRE(remove_context(folder.places, "prod"));
    CHECK(folder.read() == "# mine\n# the end\n");
}

TEST_CASE("a file that cannot be edited in place is rewritten, and kept beside as it was")
{
    Folder folder;
    folder.write("# mine\ncontexts:\n  a: &a {system: audio}\n  b: *a\n");
    const auto before = folder.read();
    REQUIRE(save_context_field(folder.places, "a", "guards.min_replicas", "3"));
    CHECK(load_config(folder.places)->find("a")->guards.min_replicas == 3);
    CHECK_FALSE(load_config(folder.places)->find("b")->guards.min_replicas);
    CHECK(read_file(folder.places.file.string() + ".bak").value() == before);
}

TEST_CASE("the schema names every field that the reader knows")
{
    const Json schema = config_schema();
    const Json& context = schema["properties"]["contexts"]["additionalProperties"];
    CHECK(context["properties"]["guards"]["properties"]["min_replicas"]["type"] == "integer");
    CHECK(context["properties"]["orchestrator"]["enum"].size() == 3);
    CHECK(context["properties"]["agent"]["properties"]["token"]["pattern"] ==
          "^(file|env|command|kubernetes):.+");
    CHECK(context["properties"]["backup"]["properties"]["keep"]["properties"].contains("weekly"));
    CHECK(context["additionalProperties"] == false);
}

TEST_CASE("folders follow the XDG variables, relative ones are ignored")
{
    const Paths paths =
        resolve_paths({{"HOME", "/h"}, {"XDG_CONFIG_HOME", "/c"}, {"XDG_STATE_HOME", "relative"}});
    CHECK(paths.config_file == "/c/conduitctl/config.yaml");
    CHECK(paths.state_dir == "/h/.local/state/conduitctl");
    CHECK(paths.cache_dir == "/h/.cache/conduitctl");
    CHECK(resolve_paths({{"HOME", "/h"}, {"CONDUIT_CONFIG", "/x.yaml"}}).config_file == "/x.yaml");
}

TEST_CASE("guards are read from a context, written back, and mistakes have a place")
{
    const auto guards = [](std::string_view text) -> Result<GuardConfig> {
        auto config = parse_config(fmt::format("contexts:\n  prod:\n    guards: {{{}}}\n", text), k_places);
        if (!config)
            return config.error();
        return config->find("prod")->guards;
    };
    const auto read =
        guards("protected: true, min_replicas: 3, max_weight_shift: 20%, max_delete: [1000, 10%], "
               "freeze: [{from: 2026-12-20T00:00:00Z, to: 2027-01-04T00:00:00Z, reason: year end}]");
    REQUIRE(read);
    CHECK(read->protected_context);
    CHECK(read->min_replicas == 3);
    CHECK(read->max_weight_shift == Approx(0.2));
    CHECK(read->max_delete_count == 1000);
    CHECK(read->max_delete_share == Approx(0.1));
    REQUIRE(read->freeze.size() == 1);
    CHECK(read->freeze[0].reason == "year end");
    CHECK(dump_json(guards_json(*read)) ==
          R"({"protected":true,"min_replicas":3,"max_weight_shift":0.2,"max_delete":[1000,"10%"],"freeze":[)"
          R"({"from":"2026-12-20T00:00:00.000Z","to":"2027-01-04T00:00:00.000Z","reason":"year end"}]})");
    CHECK(guards("max_delete: 500")->max_delete_count == 500);
    CHECK(guards("max_delete: 0.1")->max_delete_share == Approx(0.1));
    const auto fault = [&](std::string_view text) { return guards(text).error().message; };
    CHECK(fault("min_replica: 3").contains("config.yaml:3"));
    CHECK(fault("min_replica: 3").contains("min_replicas"));
    CHECK(fault("freeze: [{from: 2026-12-20T00:00:00Z}]").contains("to is missing"));
    CHECK(fault("freeze: [{from: yesterday, to: tomorrow}]").contains("config.yaml:3"));
    CHECK(fault("freeze: [{from: 2027-01-04T00:00:00Z, to: 2026-12-20T00:00:00Z}]")
              .contains("before it begins"));
    CHECK(fault("freeze: soon").contains("freeze is a list"));
    CHECK_FALSE(guards("max_delete: -1"));
    CHECK_FALSE(guards("max_delete: some"));
    CHECK_FALSE(guards("min_replicas: -1"));
}
