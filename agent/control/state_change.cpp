// SPDX-License-Identifier: Apache-2.0
#include "agent/control/state_change.hpp"

#include "core/hash.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

constexpr std::size_t k_max_overrides = 10'000;
constexpr std::size_t k_max_value = 16U << 10U;

Json value_or_null(const ControlState& state, const std::string& path)
{
    const auto it = state.overrides.find(path);
    return it == state.overrides.end() ? Json() : *it->second.value;
}

Error stale_path(const ControlState& state, const std::string& path, const Json& expected)
{
    const auto it = state.overrides.find(path);
    const auto found = dump_json(value_or_null(state, path));
    auto error = Error{ErrorKind::stale, fmt::format("{} was changed meanwhile", path),
                       "Look at the state again and decide anew."}
                     .with_detail("path", path)
                     .with_detail("expected", dump_json(expected))
                     .with_detail("found", found)
                     .with_detail("revision", std::to_string(state.revision));
    if (it != state.overrides.end())
        error.details["actor"] = it->second.actor;
    return error;
}

Result<> check_expectations(const ControlState& state, const StatePatch& patch)
{
    if (patch.if_revision && *patch.if_revision != state.revision)
        return Error{
            ErrorKind::stale,
            fmt::format("the control state is at revision {}, not {}", state.revision, *patch.if_revision),
            "Look at the state again and decide anew."}
            .with_detail("revision", std::to_string(state.revision));
    for (const auto& [path, value] : patch.expect)
        if (canonical_json(value_or_null(state, path)) != canonical_json(*value))
            return stale_path(state, path, *value);
    return {};
}

Result<> check_limits(const StatePatch& patch, std::uint64_t fence)
{
    if (patch.fence && *patch.fence < fence)
        return Error{
            ErrorKind::refused,
            fmt::format("fence {} is older than {}, somebody else holds the lock", *patch.fence, fence)}
            .with_detail("fence", std::to_string(fence));
    for (const auto& [path, value] : patch.set)
        if (dump_json(*value).size() > k_max_value)
            return fail(ErrorKind::usage,
                        fmt::format("the value of {} is larger than {}", path, format_bytes(k_max_value)));
    return {};
}

Json write(StateChange& change, const StatePatch& patch, WallTime now)
{
    auto& state = change.state;
    Json changes = Json::array();
    for (const auto& path : patch.unset) {
        if (!state.overrides.contains(path))
            continue;
        changes.push_back({{"path", path}, {"before", value_or_null(state, path)}, {"after", nullptr}});
        state.overrides.erase(path);
        change.touched.insert(path);
    }
    for (const auto& [path, value] : patch.set) {
        auto& item = state.overrides[path];
        const auto each = patch.expires_each.find(path);
        const auto expires_in = each == patch.expires_each.end() ? patch.expires_in : each->second;
        if (item.revision != 0 && item.value == value && !item.expires_at && !expires_in)
            continue;
        changes.push_back({{"path", path}, {"before", *item.value}, {"after", *value}});
        item = {value, patch.actor, patch.reason, patch.operation, now, std::nullopt, state.revision + 1};
        if (expires_in)
            item.expires_at = now + *expires_in;
        change.touched.insert(path);
    }
    return changes;
}

} // namespace

bool is_due(const ControlState& state, WallTime now)
{
    return std::ranges::any_of(state.overrides, [&](const auto& item) {
        return item.second.expires_at && *item.second.expires_at <= now;
    });
}

void take_out_due(StateChange& change, WallTime now)
{
    if (!is_due(change.state, now))
        return;
    const auto revision = ++change.state.revision;
    std::erase_if(change.state.overrides, [&](const auto& entry) {
        const auto& [path, item] = entry;
        if (!item.expires_at || *item.expires_at > now)
            return false;
        Json changes = Json::array({Json{{"path", path}, {"before", *item.value}, {"after", nullptr}}});
        change.history.push_back({revision, now, item.actor, "expired: " + item.reason, item.operation,
                                  "expire", std::move(changes)});
        change.touched.insert(path);
        return true;
    });
}

Result<StateChange> change_state(ControlState before, const StatePatch& patch, std::uint64_t fence,
                                 WallTime now)
{
    TRY(check_limits(patch, fence));
    StateChange change{std::move(before), {}, {}};
    take_out_due(change, now);
    TRY(check_expectations(change.state, patch));
    auto changes = write(change, patch, now);
    if (change.state.overrides.size() > k_max_overrides)
        return fail(ErrorKind::refused, fmt::format("more than {} overrides", k_max_overrides),
                    "Remove some, or put them into the configuration file.");
    change.state.changed = !changes.empty();
    if (change.state.changed)
        change.history.push_back({++change.state.revision, now, patch.actor, patch.reason, patch.operation,
                                  "patch", std::move(changes)});
    return change;
}

std::string patch_digest(const StatePatch& patch)
{
    Json json{{"set", Json::object()}, {"unset", patch.unset}};
    for (const auto& [path, value] : patch.set)
        json["set"][path] = *value;
    return sha256_hex(canonical_json(json));
}

Result<> check_repeated(const StatePatch& patch, const std::string& recorded_digest)
{
    if (recorded_digest == patch_digest(patch))
        return {};
    return fail(ErrorKind::usage,
                fmt::format("operation {} was used for another change", printable(patch.operation)),
                "Give each change an operation id of its own.");
}

} // namespace conduit::agent
