// SPDX-License-Identifier: Apache-2.0
// Changes of config.yaml by commands, each where it stands, so that comments stay. A file that is written in
// a way the editor does not understand is rewritten as data; as it was it stays beside it as config.yaml.bak.
#include "cli/config/config.hpp"
#include "cli/config/stores_fields.hpp"
#include "core/text.hpp"
#include "core/yaml_edit.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit {
namespace {

constexpr std::size_t k_largest = 4U << 20U;

Result<std::string> read_or_empty(const fs::path& file)
{
    auto text = read_file(file, k_largest);
    if (!text && text.error().kind == ErrorKind::not_found)
        return std::string{};
    return text;
}

Result<> write_checked(const ConfigPlaces& places, const std::string& after)
{
    TRY(parse_config(after, places));
    TRY(make_dirs(places.file.parent_path()));
    return write_file(places.file, after);
}

Result<> write_as_data(const ConfigPlaces& places, const std::string& before, const Json& document)
{
    if (before.find('#') != std::string::npos)
        TRY(write_file(places.file.string() + ".bak", before));
    return write_checked(places, dump_yaml(document));
}

Result<Json> load_document(const std::string& text, const ConfigPlaces& places)
{
    TRY_ASSIGN(const YamlNode root, parse_yaml(text, places.file.string()));
    Json document = root.to_json();
    if (document.is_null())
        document = Json::object();
    if (!document.is_object())
        return fail(ErrorKind::usage, fmt::format("{} is not a map", places.file.string()));
    if (!document.contains("contexts") || !document["contexts"].is_object())
        document["contexts"] = Json::object();
    return document;
}

void put(Json& object, std::span<const std::string> path, const Json& value)
{
    Json* at = &object;
    for (const std::string& key : path.first(path.size() - 1)) {
        if (!(*at)[key].is_object())
            (*at)[key] = Json::object();
        at = &(*at)[key];
    }
    if (value.is_null())
        at->erase(path.back());
    else
        (*at)[path.back()] = value;
}

} // namespace

Result<> save_current_context(const ConfigPlaces& places, const std::string& name)
{
    TRY_ASSIGN(const std::string before, read_or_empty(places.file));
    TRY_ASSIGN(const Config config, parse_config(before, places));
    if (config.find(name) == nullptr)
        return fail(ErrorKind::not_found, unknown_name("context", name, config.names()),
                    "See: conduitctl context ls");
    constexpr std::string_view k_key = "current-context:";
    const std::string line = fmt::format("{} {}", k_key, trim(dump_yaml(Json(name))));
    std::size_t at = before.starts_with(k_key) ? 0 : before.find(fmt::format("\n{}", k_key));
    std::string after;
    if (at == std::string::npos) {
        after = line + "\n" + before;
    } else if (auto edited = edit_yaml(before, std::vector<std::string>{"current-context"}, name)) {
        after = *std::move(edited);
    } else {
        if (before[at] == '\n')
            ++at;
        after = before.substr(0, at) + line;
        if (const auto end = before.find('\n', at); end != std::string::npos)
            after += before.substr(end);
    }
    TRY(parse_config(after, places));
    TRY(make_dirs(places.file.parent_path()));
    return write_file(places.file, after);
}

Result<> save_context_field(const ConfigPlaces& places, const std::string& context, const std::string& path,
                            const std::string& value)
{
    TRY_ASSIGN(const std::string before, read_or_empty(places.file));
    TRY_ASSIGN(Json document, load_document(before, places));
    Json parsed;
    if (!value.empty()) {
        TRY_ASSIGN(const YamlNode node, parse_yaml(value, "value"));
        parsed = node.to_json();
    }
    const std::vector<std::string> keys = split(path, '.');
    std::vector<std::string> place{"contexts", context};
    place.insert(place.end(), keys.begin(), keys.end());
    if (const auto edited = edit_yaml(before, place, parsed)) {
        TRY_ASSIGN(const Config config, parse_config(*edited, places));
        // A context that has lost its last field is still a context.
        if (const Context* kept = config.find(context); kept != nullptr && kept->line > 0)
            return write_checked(places, *edited);
    }
    Json& entry = document["contexts"][context];
    if (!entry.is_object())
        entry = Json::object();
    if (!keys.empty())
        put(entry, keys, parsed);
    return write_as_data(places, before, document);
}

Result<> remove_context(const ConfigPlaces& places, const std::string& name)
{
    TRY_ASSIGN(const std::string before, read_or_empty(places.file));
    TRY_ASSIGN(Json document, load_document(before, places));
    if (document["contexts"].erase(name) == 0) {
        TRY_ASSIGN(const Config config, parse_config(before, places));
        return fail(ErrorKind::not_found, unknown_name("context", name, config.names()),
                    "See: conduitctl context ls");
    }
    if (const auto edited = edit_yaml(before, std::vector<std::string>{"contexts", name}, nullptr))
        return write_checked(places, *edited);
    return write_as_data(places, before, document);
}

namespace {

void put_text(Json& object, const char* key, const std::string& value)
{
    if (!value.empty())
        object[key] = value;
}
void put_part(Json& object, const char* key, Json part)
{
    if (!part.empty())
        object[key] = std::move(part);
}

} // namespace

Json context_json(const Context& context)
{
    Json json{{"name", context.name},
              {"system", context.system},
              {"orchestrator", orchestrator_name(context.orchestrator)}};
    if (context.orchestrator == OrchestratorKind::local)
        put_text(json, "dir", context.dir.string());
    Json kubernetes = Json::object();
    put_text(kubernetes, "kubeconfig", context.kubernetes.kubeconfig.string());
    put_text(kubernetes, "context", context.kubernetes.context);
    put_text(kubernetes, "namespace", context.kubernetes.name_space);
    put_part(json, "kubernetes", kubernetes);
    Json compose = Json::object();
    put_text(compose, "file", context.compose.file.string());
    put_text(compose, "project", context.compose.project);
    put_text(compose, "socket", context.compose.socket);
    put_part(json, "compose", compose);
    Json agent = Json::object();
    put_text(agent, "workload", context.agent.workload);
    put_text(agent, "port", context.agent.port);
    put_text(agent, "token", context.agent.token.str());
    put_text(agent, "ca", context.agent.ca.string());
    put_text(agent, "certificate", context.agent.certificate.string());
    put_text(agent, "key", context.agent.key.string());
    if (!context.agent.urls.empty())
        agent["urls"] = context.agent.urls;
    put_part(json, "agent", agent);
    json.update(stores_json(context));
    json["guards"] = guards_json(context.guards);
    return json;
}

} // namespace conduit
