// SPDX-License-Identifier: Apache-2.0
#include "cli/config/paths.hpp"

#include <pwd.h>
#include <unistd.h>

namespace conduit {

Paths resolve_paths(const std::map<std::string, std::string, std::less<>>& env)
{
    const auto get = [&](std::string_view name) {
        const auto found = env.find(name);
        return found == env.end() ? std::string{} : found->second;
    };
    // The specification says that a relative path in these variables is to be ignored.
    const auto folder = [&](std::string_view variable, const fs::path& otherwise) {
        const fs::path given = get(variable);
        return given.is_absolute() ? given : otherwise;
    };
    Paths paths;
    paths.home = get("HOME");
    if (paths.home.empty()) {
        const passwd* entry = getpwuid(getuid()); // NOLINT(concurrency-mt-unsafe): once, before any thread
        paths.home = entry != nullptr ? entry->pw_dir : "/";
    }
    paths.config_dir = folder("XDG_CONFIG_HOME", paths.home / ".config") / "conduitctl";
    paths.state_dir = folder("XDG_STATE_HOME", paths.home / ".local/state") / "conduitctl";
    paths.cache_dir = folder("XDG_CACHE_HOME", paths.home / ".cache") / "conduitctl";
    paths.data_dir = folder("XDG_DATA_HOME", paths.home / ".local/share") / "conduit";
    const std::string file = get("CONDUIT_CONFIG");
    paths.config_file = file.empty() ? paths.config_dir / "config.yaml" : fs::path(file);
    return paths;
}

} // namespace conduit
