// SPDX-License-Identifier: Apache-2.0
// --help of the program (no noun), of a noun (no verb) and of a verb, written from the registry.
#pragma once

#include "cli/command/registry.hpp"

#include <string>
#include <string_view>

namespace conduit {

std::string help_text(const Registry& registry, const Noun* noun, const Verb* verb);
std::string usage_line(const Noun& noun, const Verb& verb,
                       const Flags& flags); // "conduitctl provider weight ..."
std::string wrap(std::string_view text, std::size_t width, std::size_t indent);
std::vector<std::string> global_flag_lines(); // as help shows them

} // namespace conduit
