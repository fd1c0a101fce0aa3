// SPDX-License-Identifier: Apache-2.0
#include "tests/support/real_agent.hpp"

#include "core/hash.hpp"
#include "core/process.hpp"
#include "tests/support/wait.hpp"

#include <csignal>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <sys/wait.h>

namespace conduit::test {
namespace {

void put(const fs::path& file, const std::string& text)
{
    if (!write_file(file, text))
        throw std::runtime_error("cannot write " + file.string());
}

std::string providers()
{
    std::string text = "providers:\n";
    for (const auto& [name, weight] : {std::pair{"openai", 70}, {"google", 20}, {"aws", 10}})
        text += fmt::format("  {}:\n    kind: openai\n    weight: {}\n    endpoint: http://127.0.0.1:9\n"
                            "    key: env:CONDUIT_TEST_KEY\n",
                            name, weight);
    return text;
}

} // namespace

RealAgent::RealAgent()
{
    const auto& dir = folder_.path();
    put(dir / "tokens.yaml", fmt::format("- {{name: maria, scope: operator, sha256: {}}}\n"
                                         "- {{name: eye, scope: viewer, sha256: {}}}\n",
                                         sha256_hex("operator-secret"), sha256_hex("viewer-secret")));
    put(dir / "keys.yaml", fmt::format("- {{name: team-a, sha256: {}}}\n", sha256_hex("sk-team-a")));
    put(config_file(), fmt::format("listen: {{data: \"127.0.0.1:0\", admin: \"127.0.0.1:0\"}}\n"
                                   "admin: {{tokens: {0}/tokens.yaml}}\nkeys: {{file: {0}/keys.yaml}}\n{1}"
                                   "health: {{probe_interval: 1h}}\n"
                                   "control: {{store: sqlite, path: {0}/control.db}}\nrecords: {{store: "
                                   "sqlite, path: {0}/records.db}}\n",
                                   dir.string(), providers()));
    SpawnSpec spec{.argv = {CONDUIT_BIN_DIR "/conduit-agent", "--config", config_file().string(), "--name",
                            "agent-1", "--ready-file", (dir / "ready").string()},
                   .env = {{"CONDUIT_TEST_KEY", "sk-up"}},
                   .stdout_file = dir / "log",
                   .die_with_parent = true};
    pid_ = spawn_process(spec).value();
    const bool up = eventually([&] {
        const auto text = read_file(dir / "ready");
        const auto ready = text ? parse_json(*text) : Result<Json>(Json());
        admin_url_ = ready ? json_string_or(*ready, "admin", "") : "";
        return !admin_url_.empty();
    });
    if (!up)
        throw std::runtime_error("conduit-agent did not start: " + read_file(dir / "log").value_or(""));
}

RealAgent::~RealAgent()
{
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

std::unique_ptr<Agents> RealAgent::agents(const Cancel* cancel, const std::string& token)
{
    AgentsOptions options;
    options.identity = "fake"; // the name that the fakes have
    options.discover = [url = admin_url_](Deadline) -> Result<std::vector<AgentEndpoint>> {
        return std::vector<AgentEndpoint>{{"agent-1", url}};
    };
    options.token = [token]() -> Result<std::string> { return token; };
    options.client = [cancel] { return make_curl_client(cancel); };
    options.actor = "maria";
    return make_agents(std::move(options));
}

} // namespace conduit::test
