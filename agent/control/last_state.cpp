// SPDX-License-Identifier: Apache-2.0
#include "agent/control/last_state.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {

Json override_json(const std::string& path, const Override& item)
{
    return {{"path", path},
            {"value", *item.value},
            {"actor", item.actor},
            {"reason", item.reason},
            {"operation", item.operation},
            {"set_at", format_time(item.set_at)},
            {"expires_at", item.expires_at ? Json(format_time(*item.expires_at)) : Json(nullptr)},
            {"revision", item.revision}};
}

Json state_json(const ControlState& state)
{
    Json items = Json::array();
    for (const auto& [path, item] : state.overrides)
        items.push_back(override_json(path, item));
    return {{"revision", state.revision}, {"items", std::move(items)}};
}

namespace {

Result<std::uint64_t> revision_of(const Json& json)
{
    const auto* field = json_find(json, "revision");
    if (field == nullptr || !field->is_number_unsigned())
        return fail(ErrorKind::failed, "'revision' is missing");
    return field->get<std::uint64_t>();
}

Result<Override> override_from(const Json& json)
{
    Override item;
    const auto* value = json_find(json, "value");
    if (value == nullptr)
        return fail(ErrorKind::failed, "'value' is missing");
    item.value = *value;
    item.actor = json_string_or(json, "actor", "");
    item.reason = json_string_or(json, "reason", "");
    item.operation = json_string_or(json, "operation", "");
    TRY_ASSIGN(const auto set_at, json_string(json, "set_at"));
    TRY_ASSIGN(item.set_at, parse_time(set_at));
    if (const auto expires_at = json_string_or(json, "expires_at", ""); !expires_at.empty()) {
        TRY_ASSIGN(item.expires_at, parse_time(expires_at));
    }
    TRY_ASSIGN(item.revision, revision_of(json));
    return item;
}

} // namespace

Result<ControlState> state_from_json(const Json& json)
{
    ControlState state;
    TRY_ASSIGN(state.revision, revision_of(json));
    const auto* items = json_find(json, "items");
    if (items == nullptr || !items->is_array())
        return fail(ErrorKind::failed, "'items' is missing");
    for (const auto& entry : *items) {
        TRY_ASSIGN(auto path, json_string(entry, "path"));
        TRY_ASSIGN(auto item, override_from(entry));
        state.overrides.insert_or_assign(std::move(path), std::move(item));
    }
    return state;
}

Result<> save_last_state(const fs::path& file, const ControlState& state)
{
    return write_file(file, dump_json(state_json(state)));
}

Result<ControlState> load_last_state(const fs::path& file)
{
    TRY_ASSIGN(const auto text, read_file(file));
    const auto json = parse_json(text);
    auto state = json ? state_from_json(*json) : Result<ControlState>(json.error());
    if (!state)
        return std::move(state).error().prefixed(file.string());
    return state;
}

} // namespace conduit::agent
