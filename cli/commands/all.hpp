// SPDX-License-Identifier: Apache-2.0
// Every noun, one function each, in its own file of this folder.
#pragma once

#include "cli/command/registry.hpp"

namespace conduit::commands {

Noun autoscale();
Noun blocklist();
Noun cache();
Noun canary();
Noun circuit();
Noun commands();
Noun completion();
Noun config();
Noun context();
Noun deploy();
Noun describe();
Noun docs();
Noun doctor();
Noun events();
Noun health();
Noun help();
Noun history();
Noun limit();
Noun local();
Noun lock();
Noun logs();
Noun metrics();
Noun pool();
Noun provider();
Noun ps();
Noun resources();
Noun restart();
Noun resume();
Noun reversals();
Noun rollout();
Noun safety();
Noun scale();
Noun top();
Noun undo();
Noun usage();
Noun version();

Registry all();

} // namespace conduit::commands
