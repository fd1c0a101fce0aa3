// SPDX-License-Identifier: Apache-2.0
// The folders of the XDG base directory specification, resolved here and nowhere else.
#pragma once

#include "core/fs.hpp"

#include <functional>
#include <map>
#include <string>

namespace conduit {

struct Paths {
    fs::path home;
    fs::path config_dir;  // ~/.config/conduitctl
    fs::path config_file; // CONDUIT_CONFIG, or config_dir/config.yaml
    fs::path state_dir;   // ~/.local/state/conduitctl: journal, locks
    fs::path cache_dir;   // ~/.cache/conduitctl: completion
    fs::path data_dir;    // ~/.local/share/conduit: what `local up` runs
};
Paths resolve_paths(const std::map<std::string, std::string, std::less<>>& env);

} // namespace conduit
