// SPDX-License-Identifier: Apache-2.0
// The text of a statement without what it was asked about.
#pragma once

#include <string>
#include <string_view>

namespace conduit::sql {

// Literals and numbers become ?, comments go, blanks are one blank; at most so many characters. What is cut
// off in the middle of a literal (the server cuts texts too) is masked to its end.
std::string masked(std::string_view statement, std::size_t most = 500);

// The first word of a statement in upper case, behind comments and brackets: "SELECT".
std::string first_word(std::string_view statement);

} // namespace conduit::sql
