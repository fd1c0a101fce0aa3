// SPDX-License-Identifier: Apache-2.0
// What the verbs about instances share: how they are shown and completed.
#pragma once

#include "cli/app/app.hpp"
#include "cli/orchestrator/orchestrator.hpp"

namespace conduit::commands {

Result<fs::path> local_dir(App& app, const std::string& flag); // --dir, else the context's folder
Json instance_json(const Instance& instance);
std::vector<Column> instance_columns();
Completer instance_completer();
Completer workload_completer();

} // namespace conduit::commands
