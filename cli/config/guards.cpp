// SPDX-License-Identifier: Apache-2.0
#include "cli/config/guards.hpp"

#include "cli/config/fields.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit {
namespace {

template <class T> void put(Json& object, const char* key, const std::optional<T>& value)
{
    if (value)
        object[key] = *value;
}

Json max_delete_json(const GuardConfig& guards)
{
    Json parts = Json::array();
    if (guards.max_delete_count)
        parts.push_back(*guards.max_delete_count);
    if (guards.max_delete_share)
        parts.push_back(fmt::format("{}%", *guards.max_delete_share * 100));
    return parts.size() == 1 ? parts.front() : parts;
}

void read_window(Fields& fields, std::vector<FreezeWindow>& windows)
{
    FreezeWindow window;
    const bool from = fields.time("from", window.from);
    const bool to = fields.time("to", window.to);
    fields.text("reason", window.reason);
    if (!from || !to)
        return;
    if (window.to <= window.from)
        fields.report("the freeze ends before it begins");
    else
        windows.push_back(std::move(window));
}

} // namespace

void read_guards(Fields& parent, GuardConfig& guards)
{
    Fields f(parent, "guards");
    f.flag("protected", guards.protected_context);
    f.integer("min_replicas", guards.min_replicas);
    f.integer("max_replicas", guards.max_replicas);
    f.integer("min_healthy_providers", guards.min_healthy_providers);
    f.integer("min_healthy_instances", guards.min_healthy_instances);
    f.integer("max_concurrent", guards.max_concurrent);
    f.ratio("max_weight_shift", guards.max_weight_shift);
    f.amount("max_delete", guards.max_delete_count, guards.max_delete_share);
    f.items("freeze", [&](Fields& item) { read_window(item, guards.freeze); });
}

Json guards_json(const GuardConfig& guards)
{
    Json json{{"protected", guards.protected_context}};
    put(json, "min_replicas", guards.min_replicas);
    put(json, "max_replicas", guards.max_replicas);
    put(json, "min_healthy_providers", guards.min_healthy_providers);
    put(json, "min_healthy_instances", guards.min_healthy_instances);
    put(json, "max_weight_shift", guards.max_weight_shift);
    if (guards.max_delete_count || guards.max_delete_share)
        json["max_delete"] = max_delete_json(guards);
    put(json, "max_concurrent", guards.max_concurrent);
    for (const auto& window : guards.freeze)
        json["freeze"].push_back(
            {{"from", format_time(window.from)}, {"to", format_time(window.to)}, {"reason", window.reason}});
    return json;
}

} // namespace conduit
