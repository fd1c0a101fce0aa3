// SPDX-License-Identifier: Apache-2.0
#include "agent/control/cluster/document.hpp"

#include "agent/control/last_state.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <ranges>

namespace conduit::agent {
namespace {

// An object may have 1 MiB (ConfigMap: sum of keys and values). What is left over is for its metadata.
constexpr std::size_t k_max_state = 600U << 10U;
constexpr std::size_t k_max_history = 200U << 10U;
constexpr std::size_t k_max_operations = 100U << 10U;
constexpr std::size_t k_max_journal = 900U << 10U;
constexpr const char* k_state = "state.json";
constexpr const char* k_fences = "fences.json";
constexpr const char* k_operations = "operations.jsonl";
constexpr const char* k_history = "history.jsonl";
constexpr const char* k_journal = "journal.jsonl";

std::string data_of(const Json& config_map, const char* key)
{
    const auto* data = json_find(config_map, "data");
    return data == nullptr ? std::string() : json_string_or(*data, key, "");
}

WallTime time_of(const Json& line)
{
    return parse_time(json_string_or(line, "time", "")).value_or(WallTime{});
}

std::uint64_t number_of(const Json& line, std::string_view key)
{
    const auto* field = json_find(line, key);
    return field != nullptr && field->is_number_unsigned() ? field->get<std::uint64_t>() : 0;
}

template <class Take> void each_line(const std::string& text, const Take& take)
{
    for (const auto& line : split(text, '\n'))
        if (const auto parsed = parse_json(line, {256U << 10U, 32}); parsed && parsed->is_object())
            take(*parsed);
}

// The newest lines that fit, and the place in `items` where they begin.
template <class Item, class Write>
std::string newest(const std::vector<Item>& items, std::size_t limit, const Write& write)
{
    std::vector<std::string> lines;
    std::size_t size = 0;
    for (const auto& item : items | std::views::reverse) {
        lines.push_back(dump_json(write(item)));
        size += lines.back().size() + 1;
        if (size > limit) {
            lines.pop_back();
            break;
        }
    }
    std::string text;
    for (const auto& line : lines | std::views::reverse)
        text.append(line).push_back('\n');
    return text;
}

Json operation_json(const RecordedOperation& o)
{
    return {{"operation", o.operation},
            {"digest", o.digest},
            {"revision", o.revision},
            {"time", format_time(o.time)}};
}

Json history_json(const HistoryEntry& e)
{
    return {{"revision", e.revision}, {"time", format_time(e.time)}, {"actor", e.actor},
            {"reason", e.reason},     {"operation", e.operation},    {"kind", e.kind},
            {"changes", *e.changes}};
}

HistoryEntry history_from(const Json& line)
{
    const auto* changes = json_find(line, "changes");
    return {number_of(line, "revision"),
            time_of(line),
            json_string_or(line, "actor", ""),
            json_string_or(line, "reason", ""),
            json_string_or(line, "operation", ""),
            json_string_or(line, "kind", "patch"),
            changes == nullptr ? Json::array() : *changes};
}

Error unreadable(const Json& config_map, Error error)
{
    const auto* meta = json_find(config_map, "metadata");
    const auto name = meta == nullptr ? std::string() : json_string_or(*meta, "name", "");
    return Error{ErrorKind::failed,
                 fmt::format("ConfigMap {}, {}: {}", printable(name), k_state, error.message),
                 "It was edited by hand or damaged; give it the content it had, or empty its data."};
}

} // namespace

bool has_state(const Json& config_map)
{
    return !trim(data_of(config_map, k_state)).empty();
}

Result<ControlDocument> read_document(const Json& config_map)
{
    ControlDocument document;
    if (const auto text = data_of(config_map, k_state); !trim(text).empty()) {
        const auto json = parse_json(text, {2U << 20U, 64});
        auto state = json ? state_from_json(*json) : Result<ControlState>(json.error());
        if (!state)
            return unreadable(config_map, state.error());
        document.state = *std::move(state);
    }
    if (const auto fences = parse_json(data_of(config_map, k_fences)); fences && fences->is_object())
        for (const auto& [scope, value] : fences->items())
            document.fences[scope] = number_of(*fences, scope);
    each_line(data_of(config_map, k_operations), [&](const Json& line) {
        document.operations.push_back({json_string_or(line, "operation", ""),
                                       json_string_or(line, "digest", ""), number_of(line, "revision"),
                                       time_of(line)});
    });
    each_line(data_of(config_map, k_history),
              [&](const Json& line) { document.history.push_back(history_from(line)); });
    return document;
}

Result<> write_document(Json& config_map, const ControlDocument& document)
{
    auto state = dump_json(state_json(document.state), 2) + "\n";
    if (state.size() > k_max_state)
        return fail(ErrorKind::refused,
                    fmt::format("the overrides take {}, and a ConfigMap has room for {}",
                                format_bytes(state.size()), format_bytes(k_max_state)),
                    "Remove some, or put them into the configuration file.");
    auto& data = config_map["data"];
    if (!data.is_object())
        data = Json::object();
    data[k_state] = std::move(state);
    data[k_fences] = dump_json(Json(document.fences));
    data[k_operations] = newest(document.operations, k_max_operations, operation_json);
    data[k_history] = newest(document.history, k_max_history, history_json);
    return {};
}

Result<std::optional<StateChange>> change_document(ControlDocument& document, const StatePatch& patch,
                                                   WallTime now)
{
    if (!patch.operation.empty()) {
        const auto known =
            std::ranges::find(document.operations, patch.operation, &RecordedOperation::operation);
        if (known != document.operations.end()) {
            TRY(check_repeated(patch, known->digest));
            return std::optional<StateChange>();
        }
    }
    const auto seen = document.fences.find(patch.fence_scope);
    TRY_ASSIGN(auto change,
               change_state(document.state, patch, seen == document.fences.end() ? 0 : seen->second, now));
    document.state = change.state;
    std::ranges::copy(change.history, std::back_inserter(document.history));
    if (patch.fence)
        document.fences[patch.fence_scope] = *patch.fence;
    if (!patch.operation.empty())
        document.operations.push_back({patch.operation, patch_digest(patch), change.state.revision, now});
    std::erase_if(document.operations, [&](const auto& o) { return o.time < now - k_keep_operations; });
    return std::optional(std::move(change));
}

bool expire_document(ControlDocument& document, WallTime now)
{
    StateChange change{std::move(document.state), {}, {}};
    take_out_due(change, now);
    document.state = std::move(change.state);
    std::ranges::copy(change.history, std::back_inserter(document.history));
    return !change.history.empty();
}

void append_line(Json& config_map, const std::string& line)
{
    auto text = data_of(config_map, k_journal) + line + "\n";
    if (text.size() > k_max_journal)
        text.erase(0, text.find('\n', text.size() - k_max_journal) + 1);
    if (!config_map.contains("data") || !config_map["data"].is_object())
        config_map["data"] = Json::object();
    config_map["data"][k_journal] = std::move(text);
}

std::vector<std::string> last_lines(const Json& config_map, std::size_t limit)
{
    auto lines = split(data_of(config_map, k_journal), '\n');
    std::erase(lines, "");
    if (lines.size() > limit)
        lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(limit));
    return lines;
}

} // namespace conduit::agent
