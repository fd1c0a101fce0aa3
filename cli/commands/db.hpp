// SPDX-License-Identifier: Apache-2.0
// The parts of `db`. Internal to this folder.
#pragma once

#include "cli/backend/database.hpp"
#include "cli/commands/support.hpp"
#include "cli/database/objects.hpp"

#include <utility>
#include <vector>

namespace conduit::commands {

inline constexpr Duration k_db_timeout{10'000};
inline constexpr Duration k_db_work_timeout{3'600'000}; // of what reads or rewrites whole tables

Verb db_status_verb();
std::vector<Verb> db_state_verbs(); // ping, wait, status, connections, limit
std::vector<Verb> db_look_verbs();  // sizes, indexes, slow
Verb db_query_verb();
Verb db_kill_idle_verb();
std::vector<Verb> db_maintain_verbs(); // vacuum, analyze, reindex, index create, index drop
Verb db_archive_verb();
Verb db_tune_verb();
Verb db_restart_verb();

// A read: the rows of one statement.
Result<SqlResult> ask_db(App& app, std::string_view verb, std::string_view text,
                         std::vector<SqlValue> values = {});
// Its only row; unknown when there is none.
Result<JsonBox> ask_db_row(App& app, std::string_view verb, std::string_view text,
                           std::vector<SqlValue> values = {});
// The target of changes, and a change of it; of what takes long the limit is k_db_work_timeout.
Result<ops::Target*> db_target(App& app);
Result<Report> change_db(App& app, const ops::Intent& intent, ops::ChangeOptions options, bool long_work);

Completer table_completer();
Completer index_completer();
std::string human_seconds(double seconds);

} // namespace conduit::commands
