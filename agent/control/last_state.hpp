// SPDX-License-Identifier: Apache-2.0
// The control state as JSON: the copy on disk for starts without the store, and the form the admin API shows.
#pragma once

#include "agent/control/state.hpp"
#include "core/fs.hpp"

namespace conduit::agent {

Json override_json(const std::string& path, const Override& item);
Json state_json(const ControlState& state); // {"revision", "items": [...]}
Result<ControlState> state_from_json(const Json& json);

Result<> save_last_state(const fs::path& file, const ControlState& state); // atomic
Result<ControlState> load_last_state(const fs::path& file);

} // namespace conduit::agent
