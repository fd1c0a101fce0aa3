// SPDX-License-Identifier: Apache-2.0
// Every noun, one function each, in its own file of this folder.
#pragma once

#include "cli/command/registry.hpp"

namespace conduit::commands {

Noun blocklist();
Noun cache();
Noun circuit();
Noun config();
Noun health();
Noun history();
Noun limit();
Noun lock();
Noun metrics();
Noun pool();
Noun provider();
Noun resume();
Noun reversals();
Noun safety();
Noun undo();
Noun usage();
Noun version();

Registry all();

} // namespace conduit::commands
