// SPDX-License-Identifier: Apache-2.0
// What looks like a secret where none should stand, and texts with it hidden. Better hidden once too often.
#pragma once

#include <string>
#include <string_view>

namespace conduit {

inline constexpr std::string_view k_masked = "********";

bool names_secret(std::string_view key);   // REDIS_PASSWORD, apiKey, auth.token
bool holds_secret(std::string_view value); // a URL with a password, a private key, a token of a known form
// The value of that key, or of a whole document, as it may be shown: lines of secret keys, passwords in URLs,
// private keys and known tokens are hidden; what is left keeps its place.
std::string masked(std::string_view key, std::string_view value);

} // namespace conduit
