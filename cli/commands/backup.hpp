// SPDX-License-Identifier: Apache-2.0
// What the verbs of backups share. Internal to this folder.
#pragma once

#include "cli/backup/catalog.hpp"
#include "cli/command/registry.hpp"

namespace conduit::commands {

Completer backup_completer();
Json backup_json(const backup::Entry& entry);
std::vector<Verb> backup_read_verbs();
std::vector<Verb> backup_change_verbs();

} // namespace conduit::commands
