// SPDX-License-Identifier: Apache-2.0
#include "core/kube/kubeconfig.hpp"

#include "core/text.hpp"
#include "core/yaml.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <functional>

namespace conduit::kube {
namespace {

constexpr std::size_t k_max_file = 4U << 20U;

struct Named { // of a context
    std::string name, cluster, user, name_space;
};

struct Merged {
    std::string current;
    std::vector<Named> contexts;
    std::vector<Cluster> clusters;
    std::vector<User> users;
};

template <class T> const T* find_named(const std::vector<T>& all, const std::string& name)
{
    const auto it = std::ranges::find(all, name, &T::name);
    return it == all.end() ? nullptr : &*it;
}

template <class T> std::vector<std::string> names_of(const std::vector<T>& all)
{
    std::vector<std::string> names;
    for (const auto& item : all)
        names.push_back(item.name);
    return names;
}

// A field's text; absent and null are "". Unknown keys are left alone: extensions and later versions have
// more.
std::string text(const YamlNode& node, std::string_view key)
{
    return node.get(key).scalar();
}

fs::path path(const YamlNode& node, std::string_view key, const fs::path& folder)
{
    const auto value = text(node, key);
    return value.empty() || fs::path(value).is_absolute() ? fs::path(value) : folder / value;
}

Result<bool> flag(const YamlNode& node, std::string_view key)
{
    const auto value = node.get(key);
    return value.exists() && !value.is_null() ? value.as_bool() : Result<bool>(false);
}

Result<Pem> pem(const YamlNode& node, std::string_view key, const fs::path& folder)
{
    const auto data = node.get(fmt::format("{}-data", key));
    if (data.exists() && !data.scalar().empty()) {
        auto bytes = base64_decode(trim(data.scalar()));
        if (!bytes)
            return data.error(fmt::format("{}-data is not base64", key));
        return Pem{.data = *std::move(bytes)};
    }
    return Pem{.file = path(node, key, folder)};
}

Result<Cluster> read_cluster(const YamlNode& node, const fs::path& folder)
{
    Cluster out{.name = {}, .server = text(node, "server")};
    while (out.server.ends_with('/'))
        out.server.pop_back();
    TRY_ASSIGN(out.ca, pem(node, "certificate-authority", folder));
    TRY_ASSIGN(out.insecure, flag(node, "insecure-skip-tls-verify"));
    if (out.insecure && out.ca.set())
        return node.error("insecure-skip-tls-verify and certificate-authority exclude each other");
    out.tls_server_name = text(node, "tls-server-name");
    out.proxy_url = text(node, "proxy-url");
    return out;
}

Result<ExecPlugin> read_exec(const YamlNode& node, const fs::path& folder)
{
    ExecPlugin out{.api_version = text(node, "apiVersion")};
    if (out.api_version != "client.authentication.k8s.io/v1" &&
        out.api_version != "client.authentication.k8s.io/v1beta1")
        return node.error(
            fmt::format("a credential plugin of apiVersion '{}' cannot be used", printable(out.api_version)),
            "Update it to client.authentication.k8s.io/v1.");
    auto command = text(node, "command");
    if (command.empty())
        return node.error("a credential plugin needs 'command'");
    if (command.contains('/') && !fs::path(command).is_absolute())
        command = (folder / command).string();
    out.argv.push_back(std::move(command));
    for (const auto& argument : node.get("args").items())
        out.argv.push_back(argument.scalar());
    for (const auto& item : node.get("env").items())
        out.env[text(item, "name")] = text(item, "value");
    out.install_hint = text(node, "installHint");
    TRY_ASSIGN(out.provide_cluster_info, flag(node, "provideClusterInfo"));
    const auto mode = text(node, "interactiveMode");
    if (mode == "Never")
        out.interactive = ExecPlugin::Interactive::never;
    else if (mode == "Always")
        out.interactive = ExecPlugin::Interactive::always;
    else if (!mode.empty() && mode != "IfAvailable")
        return node.get("interactiveMode").error("interactiveMode is Never, IfAvailable or Always");
    return out;
}

Result<User> read_user(const YamlNode& node, const fs::path& folder)
{
    if (node.get("auth-provider").exists())
        return node.get("auth-provider")
            .error("auth-provider has been removed from Kubernetes",
                   "Use the provider's credential plugin (users[].user.exec).");
    User out{.name = {}};
    TRY_ASSIGN(out.certificate, pem(node, "client-certificate", folder));
    TRY_ASSIGN(out.key, pem(node, "client-key", folder));
    out.token = text(node, "token");
    out.token_file = path(node, "tokenFile", folder);
    out.username = text(node, "username");
    out.password = text(node, "password");
    out.impersonate = text(node, "as");
    out.impersonate_uid = text(node, "as-uid");
    for (const auto& group : node.get("as-groups").items())
        out.impersonate_groups.push_back(group.scalar());
    if (const auto exec = node.get("exec"); exec.exists() && !exec.is_null()) {
        TRY_ASSIGN(out.exec, read_exec(exec, folder));
    }
    return out;
}

// The list of {name, KEY: {...}} under `list`; of the same name the first stays.
template <class T>
Result<> read_list(const YamlNode& root, std::string_view list, std::string_view key, std::vector<T>& out,
                   const std::function<Result<T>(const YamlNode&)>& read)
{
    const auto node = root.get(list);
    if (node.exists() && !node.is_list() && !node.is_null())
        return node.error(fmt::format("{} must be a list", list));
    for (const auto& item : node.items()) {
        const auto name = text(item, "name");
        if (name.empty())
            return item.error(fmt::format("an item of {} needs 'name'", list));
        if (find_named(out, name) != nullptr)
            continue;
        TRY_ASSIGN(auto value, read(item.get(key)));
        value.name = name;
        out.push_back(std::move(value));
    }
    return {};
}

Result<> add_file(const fs::path& file, Merged& into)
{
    TRY_ASSIGN(const auto content, read_file(file, k_max_file));
    TRY_ASSIGN(const auto root, parse_yaml(content, file.string()));
    if (root.is_null() || !root.exists())
        return {};
    if (!root.is_map())
        return root.error("a kubeconfig is a map");
    const auto folder = file.parent_path();
    if (into.current.empty())
        into.current = text(root, "current-context");
    TRY(read_list<Cluster>(root, "clusters", "cluster", into.clusters,
                           [&](const YamlNode& node) { return read_cluster(node, folder); }));
    TRY(read_list<User>(root, "users", "user", into.users,
                        [&](const YamlNode& node) { return read_user(node, folder); }));
    return read_list<Named>(
        root, "contexts", "context", into.contexts, [](const YamlNode& node) -> Result<Named> {
            return Named{{}, text(node, "cluster"), text(node, "user"), text(node, "namespace")};
        });
}

std::vector<fs::path> files_of(const Places& places)
{
    std::vector<fs::path> files;
    for (const auto& file : split(places.kubeconfig, ':'))
        if (!file.empty())
            files.emplace_back(file);
    if (files.empty() && !places.home.empty())
        files.push_back(fs::path(places.home) / ".kube" / "config");
    return files;
}

Result<Merged> merged(const Places& places)
{
    Merged out;
    if (!places.only.empty()) {
        TRY(add_file(places.only, out));
        return out;
    }
    for (const auto& file : files_of(places)) {
        const auto added = add_file(file, out);
        if (!added && added.error().kind != ErrorKind::not_found)
            return added.error();
    }
    return out;
}

std::optional<Access> account_of_pod(const Places& places)
{
    std::error_code ec;
    if (places.service_host.empty() || !fs::exists(places.account / "token", ec))
        return std::nullopt;
    const bool six = places.service_host.contains(':');
    const auto port = places.service_port.empty() ? std::string("443") : places.service_port;
    Access out;
    out.cluster.name = "in-cluster";
    out.cluster.server = six ? fmt::format("https://[{}]:{}", places.service_host, port)
                             : fmt::format("https://{}:{}", places.service_host, port);
    out.cluster.ca.file = places.account / "ca.crt";
    out.user.name = "service-account";
    out.user.token_file = places.account / "token";
    if (const auto space = read_file(places.account / "namespace", 1024); space && !trim(*space).empty())
        out.name_space = trim(*space);
    return out;
}

} // namespace

Result<std::string> read_pem(const Pem& pem, std::string_view what)
{
    if (!pem.data.empty())
        return pem.data;
    auto read = read_file(pem.file, k_max_file);
    if (!read)
        return std::move(read.error()).prefixed(fmt::format("reading the {}", what));
    return read;
}

Result<Access> find_access(const Places& places, const std::string& context)
{
    TRY_ASSIGN(auto all, merged(places));
    if (context.empty() && all.contexts.empty() && places.only.empty())
        if (auto pod = account_of_pod(places))
            return *std::move(pod);
    const auto& wanted = context.empty() ? all.current : context;
    if (wanted.empty() && all.contexts.empty())
        return fail(ErrorKind::unreachable, "no kubeconfig says where the cluster is",
                    "Set KUBECONFIG, or kubernetes.kubeconfig of the context.");
    if (wanted.empty())
        return fail(ErrorKind::usage, "the kubeconfig has no current-context",
                    "Name one: conduitctl context set kubernetes.context NAME");
    const auto* named = find_named(all.contexts, wanted);
    if (named == nullptr)
        return fail(ErrorKind::not_found, unknown_name("kubeconfig context", wanted, names_of(all.contexts)),
                    "List them: kubectl config get-contexts");
    const auto* cluster = find_named(all.clusters, named->cluster);
    if (cluster == nullptr || cluster->server.empty())
        return fail(ErrorKind::usage,
                    fmt::format("kubeconfig context {} names cluster '{}', of which no server is known",
                                wanted, printable(named->cluster)));
    Access out{.context = wanted, .cluster = *cluster};
    if (const auto* user = find_named(all.users, named->user))
        out.user = *user;
    else if (!named->user.empty())
        return fail(ErrorKind::usage, fmt::format("kubeconfig context {} names user '{}', which is not there",
                                                  wanted, printable(named->user)));
    if (!named->name_space.empty())
        out.name_space = named->name_space;
    return out;
}

Result<std::vector<std::string>> context_names(const Places& places)
{
    TRY_ASSIGN(const auto all, merged(places));
    return names_of(all.contexts);
}

} // namespace conduit::kube
