// SPDX-License-Identifier: Apache-2.0
// ULIDs (ulid spec): 48 bits of milliseconds and 80 random bits, Crockford base32, 26 characters, sortable.
#pragma once

#include "core/clock.hpp"

#include <string>
#include <string_view>

namespace conduit {

std::string make_ulid(WallTime now);
bool is_ulid(std::string_view text);

} // namespace conduit
