// SPDX-License-Identifier: Apache-2.0
// What several nouns of this folder use.
#pragma once

#include "cli/app/app.hpp"

namespace conduit::commands {

Completer noun_completer();
Result<const Noun*> known_noun(App& app, const std::string& name); // not_found with the nearest

// For `omitted` of verbs that print what is built into the program.
std::vector<Omitted> prints_what_it_holds();

} // namespace conduit::commands
