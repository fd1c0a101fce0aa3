// SPDX-License-Identifier: Apache-2.0
// The paths of settings' fields, and whom they concern. Pure; internal to this folder and its tests.
#pragma once

#include "cli/orchestrator/settings.hpp"

#include <span>

namespace conduit::settings_fields {

inline constexpr std::string_view k_record = "@applied";
inline constexpr std::string_view k_map = "@map";

struct Place {
    enum class What : std::uint8_t { map, secret, workload };
    What what = What::map;
    std::string name;
    std::string key;
    std::optional<std::string> path; // of a value within the key's text
    bool operator==(const Place&) const = default;
};
Result<Place> place_of(const std::string& field);

// Who reads that key. Our own marks are read by nobody.
std::vector<SettingUse> affected(std::span<const SettingUse> uses, const Place& place);

} // namespace conduit::settings_fields
