// SPDX-License-Identifier: Apache-2.0
// What the verbs about instances share: which orchestrator the context has, and how instances are shown.
#pragma once

#include "cli/app/app.hpp"
#include "cli/orchestrator/orchestrator.hpp"

#include <memory>

namespace conduit::commands {

Result<std::unique_ptr<Orchestrator>> orchestrator_of(App& app);
Result<fs::path> local_dir(App& app, const std::string& flag); // --dir, else the context's folder
Json instance_json(const Instance& instance);
std::vector<Column> instance_columns();
Completer instance_completer();
Completer workload_completer();

} // namespace conduit::commands
