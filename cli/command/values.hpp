// SPDX-License-Identifier: Apache-2.0
// What a flag's value is called, how its default is shown, and how words become a value. Internal to this
// folder.
#pragma once

#include "cli/command/flags.hpp"

namespace conduit {

std::string_view default_value_name(const FlagTarget& target); // "DUR"
std::string default_text(const FlagTarget& target);            // "" for empty, false and absent values

} // namespace conduit
