// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/schema.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

std::unexpected<Error> misfit(const std::string& place, std::string_view what)
{
    return fail(ErrorKind::usage, fmt::format("{}: {}", place, what),
                "The fields of every request are in /admin/v1/openapi.json.");
}

bool has_type(const Json& value, std::string_view type)
{
    if (type == "null")
        return value.is_null();
    if (type == "string")
        return value.is_string();
    if (type == "integer")
        return value.is_number_integer();
    if (type == "number")
        return value.is_number();
    if (type == "boolean")
        return value.is_boolean();
    return type == "array" ? value.is_array() : value.is_object();
}

std::vector<std::string> names_of(const Json& properties)
{
    std::vector<std::string> names;
    for (const auto& [name, unused] : properties.items())
        names.push_back(name);
    return names;
}

Result<> check_object(const Json& schema, const Json& value, const std::string& place)
{
    static const Json nothing = Json::object();
    const auto* known = json_find(schema, "properties");
    const Json& properties = known != nullptr ? *known : nothing;
    if (const auto* required = json_find(schema, "required"); required != nullptr)
        for (const auto& name : *required)
            if (!value.contains(name.get<std::string>()))
                return misfit(place, fmt::format("'{}' is missing", name.get<std::string>()));
    const auto* others = json_find(schema, "additionalProperties");
    for (const auto& [name, item] : value.items()) {
        const auto inner = place + "." + printable(name);
        if (const auto* property = json_find(properties, name); property != nullptr)
            TRY(check_schema(*property, item, inner));
        else if (others != nullptr && others->is_object())
            TRY(check_schema(*others, item, inner));
        else if (others != nullptr && *others == false)
            return misfit(place, unknown_name("field", name, names_of(properties)));
    }
    return {};
}

Result<> check_any(const Json& schemas, const Json& value, const std::string& place)
{
    Result<> last;
    for (const auto& schema : schemas)
        if (last = check_schema(schema, value, place); last)
            return {};
    return value.is_null() ? misfit(place, "null is not allowed") : check_schema(schemas[0], value, place);
}

} // namespace

Json type_schema(std::string_view type)
{
    if (type.ends_with("?"))
        return {{"anyOf", Json::array({type_schema(type.substr(0, type.size() - 1)), {{"type", "null"}}})}};
    if (type.ends_with("[]"))
        return {{"type", "array"}, {"items", type_schema(type.substr(0, type.size() - 2))}};
    if (type.ends_with("{}"))
        return {{"type", "object"}, {"additionalProperties", type_schema(type.substr(0, type.size() - 2))}};
    if (type.starts_with("("))
        return {{"type", "string"}, {"enum", split(type.substr(1, type.size() - 2), '|')}};
    if (type == "any")
        return Json::object();
    if (type.front() >= 'A' && type.front() <= 'Z')
        return {{"$ref", "#/components/schemas/" + std::string(type)}};
    return {{"type", std::string(type)}};
}

Json object_schema(std::string_view fields)
{
    Json properties = Json::object();
    Json required = Json::array();
    bool open = false;
    for (const auto& field : split(fields, ',')) {
        const auto text = trim(field);
        if (text == "...") {
            open = true;
            continue;
        }
        const auto colon = text.find(':');
        const bool optional = text.starts_with('~');
        const std::string name(text.substr(optional ? 1 : 0, colon - (optional ? 1 : 0)));
        properties[name] = type_schema(text.substr(colon + 1));
        if (!optional)
            required.push_back(name);
    }
    Json schema{{"type", "object"}, {"properties", properties}, {"additionalProperties", open}};
    if (!required.empty())
        schema["required"] = required;
    return schema;
}

Result<> check_schema(const Json& schema, const Json& value, const std::string& place)
{
    if (const auto* ref = json_find(schema, "$ref"); ref != nullptr) {
        const auto name = ref->get<std::string>().substr(std::string_view("#/components/schemas/").size());
        const auto* component = json_find(component_schemas(), name);
        return component == nullptr ? misfit(place, "no component " + name)
                                    : check_schema(*component, value, place);
    }
    if (const auto* any = json_find(schema, "anyOf"); any != nullptr)
        return check_any(*any, value, place);
    const auto* type = json_find(schema, "type");
    if (type == nullptr)
        return {};
    if (!has_type(value, type->get_ref<const std::string&>()))
        return misfit(place, fmt::format("{} is expected", type->get_ref<const std::string&>()));
    if (const auto* allowed = json_find(schema, "enum");
        allowed != nullptr && std::ranges::find(*allowed, value) == allowed->end())
        return misfit(place, fmt::format("one of {} is expected", dump_json(*allowed)));
    if (value.is_array())
        for (std::size_t i = 0; i < value.size(); ++i)
            TRY(check_schema(schema.at("items"), value[i], fmt::format("{}[{}]", place, i)));
    return value.is_object() ? check_object(schema, value, place) : Result<>{};
}

} // namespace conduit::agent
