// SPDX-License-Identifier: Apache-2.0
#include "cli/config/config.hpp"

#include "cli/config/fields.hpp"
#include "cli/config/schema.hpp"
#include "cli/config/stores_fields.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit {
namespace {

void read_reach(Fields& parent, Context& context)
{
    {
        Fields f(parent, "kubernetes");
        f.path("kubeconfig", context.kubernetes.kubeconfig);
        f.text("context", context.kubernetes.context);
        f.text("namespace", context.kubernetes.name_space);
    }
    {
        Fields f(parent, "compose");
        f.path("file", context.compose.file);
        f.text("project", context.compose.project);
        f.text("socket", context.compose.socket);
    }
    Fields f(parent, "agent");
    f.text("workload", context.agent.workload);
    f.text("port", context.agent.port);
    f.texts("urls", context.agent.urls);
    f.secret("token", context.agent.token);
    f.path("ca", context.agent.ca);
    f.path("certificate", context.agent.certificate);
    f.path("key", context.agent.key);
}

void read_context(Fields& f, Context& context)
{
    f.text("system", context.system);
    std::size_t kind = 0;
    f.choice("orchestrator", {"local", "kubernetes", "compose"}, kind);
    context.orchestrator = static_cast<OrchestratorKind>(kind);
    f.path("dir", context.dir);
    read_reach(f, context);
    read_stores(f, context);
    read_guards(f, context.guards);
}

Config read_config(const YamlNode& root, std::vector<Error>& errors, const ConfigPlaces& places)
{
    Config config{.file = places.file, .exists = true};
    if (root.is_null())
        return config;
    if (!root.is_map()) {
        errors.push_back(root.error("a map is expected"));
        return config;
    }
    constexpr std::array<std::string_view, 2> k_keys{"current-context", "contexts"};
    for (Error& error : root.unknown_keys(k_keys))
        errors.push_back(std::move(error));
    if (const YamlNode current = root.get("current-context"); current.exists() && !current.is_null())
        config.current_context = current.scalar();
    const YamlNode contexts = root.get("contexts");
    if (contexts.exists() && !contexts.is_map() && !contexts.is_null())
        errors.push_back(contexts.error("a map of contexts is expected"));
    for (const std::string& name : contexts.is_map() ? contexts.keys() : std::vector<std::string>{}) {
        const YamlNode node = contexts.get(name);
        config.contexts.push_back({.name = name, .dir = places.local_dir, .line = node.line()});
        Fields fields(node, errors, places.home);
        read_context(fields, config.contexts.back());
    }
    return config;
}

void add_built_in(Config& config, const ConfigPlaces& places)
{
    if (config.find("local") == nullptr)
        config.contexts.push_back({.name = "local", .dir = places.local_dir});
}

} // namespace

std::string_view orchestrator_name(OrchestratorKind kind)
{
    constexpr std::array<std::string_view, 3> names{"local", "kubernetes", "compose"};
    return names.at(static_cast<std::size_t>(kind));
}

const Context* Config::find(std::string_view name) const
{
    const auto found = std::ranges::find(contexts, name, &Context::name);
    return found == contexts.end() ? nullptr : &*found;
}

std::vector<std::string> Config::names() const
{
    std::vector<std::string> names;
    for (const Context& context : contexts)
        names.push_back(context.name);
    return names;
}

Result<Config> parse_config(std::string_view text, const ConfigPlaces& places)
{
    TRY_ASSIGN(const YamlNode root, parse_yaml(text, places.file.string()));
    std::vector<Error> errors;
    Config config = read_config(root, errors, places);
    if (errors.size() > 1)
        errors.front().cause =
            fmt::format("{} faults in this file; conduitctl doctor lists them", errors.size());
    if (!errors.empty())
        return std::unexpected(std::move(errors.front()));
    add_built_in(config, places);
    return config;
}

std::vector<Error> check_config(std::string_view text, const ConfigPlaces& places)
{
    const auto root = parse_yaml(text, places.file.string());
    if (!root)
        return {root.error()};
    std::vector<Error> errors;
    (void)read_config(*root, errors, places);
    return errors;
}

Result<Config> load_config(const ConfigPlaces& places)
{
    constexpr std::size_t k_largest = 4U << 20U;
    auto text = read_file(places.file, k_largest);
    if (text)
        return parse_config(*text, places);
    if (text.error().kind != ErrorKind::not_found)
        return std::unexpected(std::move(text).error());
    Config config{.file = places.file};
    add_built_in(config, places);
    return config;
}

Json config_schema()
{
    Json context = Json::object();
    {
        std::vector<Error> errors;
        Context unused;
        Fields fields(YamlNode{}, errors, {}, &context);
        read_context(fields, unused);
    }
    return {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
            {"title", "conduitctl configuration"},
            {"type", "object"},
            {"additionalProperties", false},
            {"properties",
             {{"current-context", {{"type", "string"}}},
              {"contexts", {{"type", "object"}, {"additionalProperties", context}}}}}};
}

} // namespace conduit
