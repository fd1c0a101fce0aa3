// SPDX-License-Identifier: Apache-2.0
// Every noun, one function each, in its own file of this folder.
#pragma once

#include "cli/command/registry.hpp"

namespace conduit::commands {

Noun commands();
Noun completion();
Noun context();
Noun docs();
Noun doctor();
Noun help();
Noun local();
Noun logs();
Noun ps();
Noun top();
Noun version();

Registry all();

} // namespace conduit::commands
