// SPDX-License-Identifier: Apache-2.0
// What several nouns share: asking the agents, completing live names, building a change of the control state.
#pragma once

#include "cli/app/app.hpp"
#include "cli/app/operations.hpp"
#include "cli/backend/agent.hpp"
#include "cli/command/registry.hpp"
#include "cli/ops/change_options.hpp"
#include "cli/ops/plan.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::commands {

inline constexpr Duration k_read_timeout{10'000};

// GET from whichever replica answers first; POST likewise.
Result<JsonBox> get(App& app, std::string path, std::multimap<std::string, std::string> query = {});
Result<JsonBox> post(App& app, std::string path, Json body, Duration timeout = k_read_timeout);
// GET from every replica; a replica that fails is an item {"replica", "error"} and makes the verdict unknown.
struct FromAll {
    std::vector<std::pair<std::string, JsonBox>> bodies; // replica name, answer
    std::vector<std::pair<std::string, Error>> failed;
};
Result<FromAll> get_all(App& app, std::string path, std::multimap<std::string, std::string> query = {});
Result<FromAll> post_all(App& app, std::string path, Json body, Duration timeout = k_read_timeout);

// Of an answer of /admin/v1/providers that was read already.
Result<JsonBox> item_of(const Json& providers, const std::string& name);
// The item of a provider, or not_found with the nearest names.
Result<JsonBox> provider_item(App& app, const std::string& name);
Result<std::vector<std::string>> provider_names(App& app);
// The override at a path now (null: none) and the value in effect.
struct PathValue {
    JsonBox override_;
    JsonBox effective;
};
Result<std::map<std::string, PathValue>> read_paths(App& app, const std::vector<std::string>& paths);

extern const Completer k_providers;
extern const Completer k_instances;
extern const Completer k_operations;
extern const Completer k_key_ids;

// A change of the control state: one step, all its fields in one patch.
struct ControlChange {
    std::string verb;  // "provider disable"
    std::string scope; // "providers"
    std::string resource;
    std::string summary;
    std::string confirm_name;
    ops::Tier tier = ops::Tier::moderate;
    std::vector<std::pair<std::string, Json>> fields; // path -> value to be (null: no override)
    // The same in the base configuration file, as a second step: place in the file -> value (null: not
    // there).
    std::vector<std::pair<std::string, Json>> file_fields;
    std::vector<std::pair<std::string, std::string>> lines;
    std::string shown; // "enabled → disabled"
    std::string verify = "every replica applies the revision";
    std::string undo = "the override before it is put back";
    bool reversible = true;
    bool rollback = true; // false: what could not be verified stands all the same
    std::string watch;
};
// --drain[=DUR] of the verbs that take something out of use.
void drain_flag(Flags& flags, std::optional<Duration>& drain, std::string_view help);
// For a change that waits so long (times `times`): the operation's own limit must be longer.
ops::ChangeOptions waiting_for(ops::ChangeOptions options, const std::optional<Duration>& drain,
                               std::size_t times = 1);
Json drain_json(const std::optional<Duration>& drain); // null: no override
Result<Report> change_control(App& app, ControlChange change, const ops::ChangeOptions& options);

// A list report: {"items": [...]} with its columns.
Report list_report(Json items, std::vector<Column> columns);

} // namespace conduit::commands
