// SPDX-License-Identifier: Apache-2.0
// `config` where the service's configuration lies in ConfigMaps.
#pragma once

#include "cli/app/app.hpp"
#include "cli/ops/change_options.hpp"

#include <string>
#include <vector>

namespace conduit {
struct SettingsMap;
struct SettingUse;
struct SettingsChange;
class SettingsTarget;
} // namespace conduit

namespace conduit::commands {

struct RestartFlags {
    bool restart = false;
    bool restart_files = false;
};
void restart_flags(Flags& flags, RestartFlags& o);

struct MapEdit {
    std::vector<std::string> words; // KEY=VALUE, KEY:a.b=VALUE; of unset without a value
    std::string map;
    bool create = false;
    RestartFlags restart;
    ops::ChangeOptions change;
};
struct MapFile {
    std::string file;
    std::vector<std::string> maps; // empty: those of the file
    std::string selector;          // "app=audio": those of the file with these labels
    bool overwrite = false;
    RestartFlags restart;
    ops::ChangeOptions change;
};

Result<bool> keeps_maps(App& app); // the context's configuration lies in ConfigMaps
Result<bool> holds_maps(const std::string& file);

Result<Report> get_maps(App& app, const std::string& key, const std::string& map);
Result<Report> set_maps(App& app, const MapEdit& o);
Result<Report> unset_maps(App& app, const MapEdit& o);
Result<Report> diff_maps(App& app, const MapFile& o);
Result<Report> apply_maps(App& app, const MapFile& o);

Result<SettingsTarget*> settings_target(App& app);
// Also where nothing is left to write: what already is so may not have reached who reads it.
Result<Report> change_settings(App& app, SettingsChange change, const RestartFlags& restart,
                               const ops::ChangeOptions& options);
// usage: the text is not what the key's name says; agent.yaml is shown to the agent's own check.
Result<> check_setting(App& app, const std::string& key, const std::string& text);
std::string use_text(const SettingUse& use); // "audio-api (env TTS_CACHE_TTL)"

} // namespace conduit::commands
