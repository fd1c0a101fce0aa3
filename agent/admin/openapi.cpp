// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/call.hpp"
#include "agent/admin/schema.hpp"
#include "core/text.hpp"

#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

Json content(std::string_view type, Json schema)
{
    return {{std::string(type), {{"schema", std::move(schema)}}}};
}

Json parameters(const Route& route)
{
    Json list = Json::array();
    for (const auto& part : split(route.pattern, '/'))
        if (part.starts_with('{'))
            list.push_back({{"name", part.substr(1, part.size() - 2)},
                            {"in", "path"},
                            {"required", true},
                            {"schema", {{"type", "string"}}}});
    for (const auto& field : split(route.query, ',')) {
        const auto pair = split(trim(field), ':');
        list.push_back(
            {{"name", pair[0]}, {"in", "query"}, {"required", false}, {"schema", type_schema(pair[1])}});
    }
    return list;
}

Json operation(const Route& route)
{
    auto id = to_lower(route.method) + std::string(route.pattern);
    for (auto& c : id)
        if (c == '/' || c == '{' || c == '}' || c == '-')
            c = '_';
    const Json answer = route.response == "text" ? content("text/plain", {{"type", "string"}})
                                                 : content("application/json", type_schema(route.response));
    Json out{{"operationId", id},
             {"summary", std::string(route.summary)},
             {"parameters", parameters(route)},
             {"responses",
              {{"200", {{"description", "done"}, {"content", answer}}},
               {"default",
                {{"description", "refused or failed"},
                 {"content", content("application/json", type_schema("Error"))}}}}}};
    if (!route.request.empty())
        out["requestBody"] = {{"required", route.request != "WriteOptions"},
                              {"content", content("application/json", type_schema(route.request))}};
    out["security"] = Json::array();
    if (route.scope != Scope::open) {
        out["security"] = Json::array({{{"bearer", Json::array()}}, {{"masterKey", Json::array()}}});
        out["x-scope"] = route.scope == Scope::viewer ? "viewer" : "operator";
    }
    return out;
}

} // namespace

Json openapi_document(std::span<const Route> routes, const std::string& version)
{
    Json paths = Json::object();
    for (const auto& route : routes)
        paths[std::string(route.pattern)][to_lower(route.method)] = operation(route);
    Json control = Json::array();
    for (const auto& [pattern, value] : known_paths())
        control.push_back({{"path", pattern}, {"value", value}});
    return {{"openapi", "3.1.0"},
            {"info", {{"title", "Conduit agent admin API"}, {"version", version}}},
            {"paths", std::move(paths)},
            {"components",
             {{"schemas", component_schemas()},
              {"securitySchemes",
               {{"bearer", {{"type", "http"}, {"scheme", "bearer"}}},
                {"masterKey", {{"type", "apiKey"}, {"in", "header"}, {"name", "X-Master-Key"}}}}}}},
            {"x-control-paths", std::move(control)}};
}

} // namespace conduit::agent
