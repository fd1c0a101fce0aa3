// SPDX-License-Identifier: Apache-2.0
// Changing one value of a YAML text where it stands, so that comments and order stay.
#pragma once

#include "core/json.hpp"
#include "core/result.hpp"

#include <span>
#include <string>
#include <string_view>

namespace conduit {

// The text with the value at that path of map keys; null takes it out, and maps that become empty with it.
// Block and flow maps; what the editor does not understand (anchors, tabs, several documents) is an error of
// kind failed and changes nothing: the result is parsed again and compared before it is given out.
Result<std::string> edit_yaml(std::string_view text, std::span<const std::string> path, const Json& value);

} // namespace conduit
