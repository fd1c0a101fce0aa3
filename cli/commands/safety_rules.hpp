// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command/registry.hpp"

namespace conduit::commands {

Verb rules_verify_verb(); // `safety rules verify`

} // namespace conduit::commands
