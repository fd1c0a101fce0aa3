// SPDX-License-Identifier: Apache-2.0
// The parts of the noun `rollout`. Internal to this folder.
#pragma once

#include "cli/command/registry.hpp"

namespace conduit::commands {

Verb rollout_undo();

} // namespace conduit::commands
