// SPDX-License-Identifier: Apache-2.0
// The user's configuration: contexts, and which one is current. ~/.config/conduitctl/config.yaml
#pragma once

#include "cli/config/guards.hpp"
#include "cli/config/secret.hpp"
#include "cli/config/stores.hpp"
#include "core/duration.hpp"
#include "core/fs.hpp"
#include "core/yaml.hpp"

#include <optional>
#include <string>
#include <vector>

namespace conduit {

enum class OrchestratorKind { local, kubernetes, compose };
std::string_view orchestrator_name(OrchestratorKind kind);

struct KubernetesConfig {
    fs::path kubeconfig; // "" means KUBECONFIG, then ~/.kube/config, then the pod's own account
    std::string context;
    std::string name_space; // "namespace"
};
struct ComposeConfig {
    fs::path file;
    std::string project;
    std::string socket; // "" means /var/run/docker.sock
};
struct AgentConfig {
    std::string workload;
    std::string port;              // name or number
    std::vector<std::string> urls; // admin addresses, where no orchestrator knows them
    SecretRef token;
    fs::path ca;               // PEM, of a private authority
    fs::path certificate, key; // PEM, ours, where the admin port asks for one
};
struct Context {
    std::string name;
    std::string system = "audio";
    OrchestratorKind orchestrator = OrchestratorKind::local;
    fs::path dir; // local: the folder everything lives under
    KubernetesConfig kubernetes;
    ComposeConfig compose;
    AgentConfig agent;
    RedisConfig redis;
    PostgresConfig postgres;
    PrometheusConfig prometheus;
    BackupConfig backup;
    GuardConfig guards;
    int line = 0; // in the file; 0 for the built-in one
};

struct Config {
    fs::path file;
    bool exists = false;
    std::string current_context = "local";
    std::vector<Context> contexts; // in file order; a context "local" is built in when the file has none
    const Context* find(std::string_view name) const;
    std::vector<std::string> names() const;
};

struct ConfigPlaces {
    fs::path file;
    std::string home;
    fs::path local_dir; // where the built-in context "local" lives
};
// An absent file is the built-in configuration. All faults of the file are found: the first is the error, the
// others are counted in its cause.
Result<Config> load_config(const ConfigPlaces& places);
Result<Config> parse_config(std::string_view text, const ConfigPlaces& places);
std::vector<Error> check_config(std::string_view text, const ConfigPlaces& places);

// Changes of the file keep what else stands in it (as data; comments are lost). nullptr removes the context.
Result<> save_current_context(const ConfigPlaces& places, const std::string& name);
// path: "kubernetes.namespace"; value is YAML ("3", "[a, b]", "text"); "" unsets. A context that is absent is
// made. The result is checked before it is written.
Result<> save_context_field(const ConfigPlaces& places, const std::string& context, const std::string& path,
                            const std::string& value);
Result<> remove_context(const ConfigPlaces& places, const std::string& name);
Json context_json(const Context& context); // secrets as references

} // namespace conduit
