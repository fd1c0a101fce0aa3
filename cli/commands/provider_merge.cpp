// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/provider_merge.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

namespace conduit::commands {
namespace {

int badness(const std::string& circuit)
{
    return circuit == "open" ? 2 : circuit == "half-open" ? 1 : 0;
}

void take_max(Json& into, const Json& from, const char* field)
{
    const auto* value = json_find(from, field);
    if (value != nullptr && value->is_number() &&
        (!into[field].is_number() || value->get<double>() > into[field].get<double>()))
        into[field] = *value;
}

void add(Json& into, const Json& from, const char* field)
{
    into[field] = json_number_or(into, field, 0) + json_number_or(from, field, 0);
}

// Weighed by requests; null while nobody has an opinion.
Json weighed(const Json& a, double a_weight, const Json& b, double b_weight)
{
    if (!a.is_number())
        return b;
    if (!b.is_number())
        return a;
    const double sum = a_weight + b_weight;
    return sum > 0 ? Json((a.get<double>() * a_weight + b.get<double>() * b_weight) / sum) : a;
}

void merge_into(Json& into, const Json& from)
{
    const double mine = json_number_or(into, "requests_5m", 0);
    const double theirs = json_number_or(from, "requests_5m", 0);
    into["error_rate"] =
        weighed(into.value("error_rate", Json()), mine, from.value("error_rate", Json()), theirs);
    for (const char* field :
         {"requests_5m", "selected_total", "in_flight", "realtime", "realtime_closed_total"})
        add(into, from, field);
    for (const char* field : {"p95_ms", "cooldown_ms", "circuit_opens_in_ms"})
        take_max(into, from, field);
    into["health"] = std::min(json_number_or(into, "health", 1), json_number_or(from, "health", 1));
    if (badness(json_string_or(from, "circuit", "")) > badness(json_string_or(into, "circuit", "")))
        into["circuit"] = from["circuit"];
    if (json_bool_or(from, "auth_failed", false))
        into["auth_failed"] = true;
    if (json_string_or(into, "last_error", "").empty())
        into["last_error"] = json_string_or(from, "last_error", "");
    const auto quota = from.value("quota", Json());
    const auto known = into.value("quota", Json());
    // The provider counts all replicas together: who heard from it when the least was left is nearest.
    if (known.is_null() ||
        (quota.is_object() && json_number_or(quota, "remaining", 0) < json_number_or(known, "remaining", 0)))
        into["quota"] = quota;
    auto pool = into.value("pool", Json::object());
    const auto other = from.value("pool", Json::object());
    for (const char* field : {"in_use", "open", "limit"})
        add(pool, other, field);
    into["pool"] = pool;
}

} // namespace

Json merged_providers(const std::vector<JsonBox>& bodies)
{
    Json rows = Json::array();
    for (const auto& body : bodies) {
        const auto* items = json_find(*body, "items");
        if (items == nullptr || !items->is_array())
            continue;
        for (const auto& item : *items) {
            const auto name = json_string_or(item, "name", "");
            const auto row = std::ranges::find_if(
                rows, [&](const Json& r) { return json_string_or(r, "name", "") == name; });
            if (row == rows.end())
                rows.push_back(item);
            else
                merge_into(*row, item);
        }
    }
    double total = 0;
    for (const auto& row : rows)
        total += json_number_or(row, "requests_5m", 0);
    for (auto& row : rows)
        row["share_5m"] = total > 0 ? Json(json_number_or(row, "requests_5m", 0) / total) : Json();
    return rows;
}

} // namespace conduit::commands
