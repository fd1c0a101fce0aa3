// SPDX-License-Identifier: Apache-2.0
// What must hold for a change however it is asked for, by conduitctl or by curl.
#pragma once

#include "agent/control/snapshot.hpp"

#include <functional>

namespace conduit::agent {

// Form only: paths well formed, none twice, texts and times in bounds.
Result<> check_patch_form(const StatePatch& patch);

// The state as it would be; nothing is written.
ControlState patched(ControlState state, const StatePatch& patch);

struct GuardInput {
    const Config& base;
    const std::vector<ApiKey>& keys;
    std::function<bool(const std::string&)> healthy;
};
// Every set path fits the configuration that results; keys exist; and, unless force, some healthy provider
// with a weight is left. usage, not_found, refused.
Result<> check_patch(const GuardInput& input, const ControlState& before, const StatePatch& patch,
                     bool force);

// The configuration with the overrides on it, and which did not fit.
struct LaidOver {
    Config config;
    std::vector<Error> skipped;
};
LaidOver lay_over_config(const Config& base, const ControlState& state);

} // namespace conduit::agent
