// SPDX-License-Identifier: Apache-2.0
#include "agent/control/snapshot.hpp"

#include "agent/control/paths.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

struct Planned {
    PathMatch match;
    const Override* override_ = nullptr;
    const std::string* path = nullptr;
};

Error skipped(const std::string& path, Error error)
{
    return std::move(error)
        .prefixed(fmt::format("override {} is not applied", path))
        .with_detail("path", path);
}

void lay_over(Snapshot& snapshot, std::vector<Error>& faults)
{
    std::vector<Planned> plan;
    for (const auto& [path, item] : snapshot.state.overrides) {
        auto match = match_path(snapshot.config, path);
        if (match)
            plan.push_back({*std::move(match), &item, &path});
        else
            faults.push_back(skipped(path, std::move(match).error()));
    }
    std::ranges::stable_sort(plan, {}, [](const Planned& p) { return p.match.rule; });
    for (const auto& [match, item, path] : plan) {
        auto fine = match.rule->check(snapshot.config, match.parts, *item->value);
        if (fine)
            match.rule->apply(snapshot, match.parts, *item->value);
        else
            faults.push_back(skipped(*path, std::move(fine).error()));
    }
}

void fill_keys(Snapshot& snapshot, const std::vector<ApiKey>& keys, Limiter& limiter)
{
    for (auto key : keys) {
        key.slot = limiter.slot(key.id);
        key.blocked =
            snapshot.blocklist.contains(key.id) || snapshot.blocklist.contains(digest_id(key.digest));
        const auto item = snapshot.state.overrides.find("limits/keys/" + key.id);
        if (item != snapshot.state.overrides.end())
            if (const auto rate = rate_value(*item->second.value))
                key.limit = *rate;
        snapshot.keys.add(std::move(key));
    }
}

} // namespace

BuiltSnapshot build_snapshot(const Config& base, const ControlState& state, const std::vector<ApiKey>& keys,
                             std::uint32_t replicas, Limiter& limiter)
{
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->revision = state.revision;
    snapshot->config = base;
    snapshot->base = std::make_shared<const Config>(base);
    snapshot->state = state;
    snapshot->keys_required = !base.keys_file.empty();
    snapshot->replicas = base.limits.replicas > 0 ? base.limits.replicas : std::max(replicas, 1U);
    BuiltSnapshot built;
    lay_over(*snapshot, built.skipped);
    fill_keys(*snapshot, keys, limiter);
    built.snapshot = std::move(snapshot);
    return built;
}

Result<> check_override(const Config& base, const std::string& path, const Json& value)
{
    TRY_ASSIGN(const auto match, match_path(base, path));
    if (auto fine = match.rule->check(base, match.parts, value); !fine)
        return std::move(fine).error().prefixed(path).with_detail("path", path);
    return {};
}

Result<Json> effective_value(const Snapshot& snapshot, const std::string& path)
{
    TRY_ASSIGN(const auto match, match_path(snapshot.config, path));
    return match.rule->read(snapshot, match.parts);
}

} // namespace conduit::agent
