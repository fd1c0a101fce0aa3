// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command/registry.hpp"

namespace conduit::commands {

Verb ping_verb(); // `net ping`

} // namespace conduit::commands
