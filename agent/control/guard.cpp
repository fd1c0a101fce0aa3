// SPDX-License-Identifier: Apache-2.0
#include "agent/control/guard.hpp"

#include "agent/control/paths.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

constexpr std::size_t k_max_paths = 1000;
constexpr Duration k_longest{365LL * 24 * 3600 * 1000};

std::size_t serving(const Config& config, const std::function<bool(const std::string&)>& healthy)
{
    return static_cast<std::size_t>(std::ranges::count_if(config.providers, [&](const ProviderConfig& p) {
        return p.enabled && p.weight > 0 && (!healthy || healthy(p.name));
    }));
}

bool touches_choice(const std::string& path)
{
    return path.starts_with("providers/") && (path.ends_with("/enabled") || path.ends_with("/weight"));
}

Result<> check_serving(const GuardInput& input, const Config& before, const Config& after)
{
    constexpr auto hint = "Enable another provider or give it a weight first; force does it all the same.";
    if (serving(after, {}) == 0)
        return fail(ErrorKind::refused, "no enabled provider with a weight would be left", hint);
    if (serving(after, input.healthy) == 0 && serving(before, input.healthy) > 0)
        return fail(ErrorKind::refused, "this would take out the last healthy provider", hint);
    return {};
}

Result<> check_keys(const GuardInput& input, const ControlState& before, const StatePatch& patch)
{
    for (const auto& [path, value] : patch.set) {
        constexpr std::string_view prefix = "limits/keys/";
        if (!path.starts_with(prefix) || before.overrides.contains(path))
            continue;
        std::vector<std::string> ids;
        for (const auto& key : input.keys)
            ids.push_back(key.id);
        const auto id = path.substr(prefix.size());
        if (std::ranges::find(ids, id) == ids.end())
            return fail(ErrorKind::not_found, unknown_name("key", id, ids));
    }
    return {};
}

// What is set must fit, and what is there already must not stop fitting.
Result<> check_skipped(const LaidOver& now, const LaidOver& then, const StatePatch& patch)
{
    const auto path_of = [](const Error& error) { return error.details.at("path"); };
    for (const auto& error : then.skipped) {
        const auto path = path_of(error);
        if (const auto it = patch.set.find(path); it != patch.set.end()) {
            TRY(check_override(then.config, path, *it->second));
            return error;
        }
        if (std::ranges::find(now.skipped, path, path_of) == now.skipped.end())
            return fail(ErrorKind::refused, fmt::format("{} depends on what this change removes", path),
                        fmt::format("Unset {} in the same change.", path));
    }
    return {};
}

Result<> check_expiry(Duration expires_in)
{
    if (expires_in <= Duration{0} || expires_in > k_longest)
        return fail(ErrorKind::usage, fmt::format("a change expires after more than 0 and at most {}",
                                                  format_duration(k_longest)));
    return {};
}

} // namespace

Result<> check_patch_form(const StatePatch& patch)
{
    if (patch.set.empty() && patch.unset.empty())
        return fail(ErrorKind::usage, "a change needs 'set' or 'unset'");
    if (patch.set.size() + patch.unset.size() + patch.expect.size() > k_max_paths)
        return fail(ErrorKind::usage, fmt::format("more than {} paths in one change", k_max_paths));
    for (const auto& path : patch.unset)
        if (patch.set.contains(path) || std::ranges::count(patch.unset, path) > 1)
            return fail(ErrorKind::usage, fmt::format("{} is named twice in one change", printable(path)));
    for (const auto* text : {&patch.actor, &patch.reason, &patch.operation})
        if (text->size() > 500 || !is_valid_utf8(*text))
            return fail(ErrorKind::usage, "actor, reason and operation are texts of at most 500 bytes");
    if (patch.expires_in)
        TRY(check_expiry(*patch.expires_in));
    for (const auto& [path, expires_in] : patch.expires_each) {
        if (!patch.set.contains(path))
            return fail(ErrorKind::usage, fmt::format("{} shall expire but is not set", printable(path)));
        TRY(check_expiry(expires_in));
    }
    return {};
}

ControlState patched(ControlState state, const StatePatch& patch)
{
    for (const auto& path : patch.unset)
        state.overrides.erase(path);
    for (const auto& [path, value] : patch.set)
        state.overrides[path].value = value;
    return state;
}

Result<> check_patch(const GuardInput& input, const ControlState& before, const StatePatch& patch, bool force)
{
    for (const auto& path : patch.unset)
        if (!before.overrides.contains(path))
            TRY(match_path(input.base, path)); // what is not there may be removed, what cannot exist may not
    TRY(check_keys(input, before, patch));
    const auto now = lay_over_config(input.base, before);
    const auto then = lay_over_config(input.base, patched(before, patch));
    TRY(check_skipped(now, then, patch));
    const bool concerns =
        std::ranges::any_of(patch.unset, touches_choice) ||
        std::ranges::any_of(patch.set, [](const auto& s) { return touches_choice(s.first); });
    if (force || !concerns)
        return {};
    return check_serving(input, now.config, then.config);
}

LaidOver lay_over_config(const Config& base, const ControlState& state)
{
    Limiter none;
    auto built = build_snapshot(base, state, {}, 1, none);
    return {std::move(built.snapshot->config), std::move(built.skipped)};
}

} // namespace conduit::agent
