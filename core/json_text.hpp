// SPDX-License-Identifier: Apache-2.0
// Pieces of JSON written straight to text, where a document for each line would cost too much.
#pragma once

#include <string>
#include <string_view>

namespace conduit {

std::string quoted_json(std::string_view text); // a string with its quotes; invalid UTF-8 is replaced

} // namespace conduit
