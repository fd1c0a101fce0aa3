// SPDX-License-Identifier: Apache-2.0
// Logs are written by the children themselves, so that they lose nothing when the supervisor dies. A log that
// has grown too large is copied aside and emptied; its writer, appending, goes on at the beginning.
#pragma once

#include "core/fs.hpp"
#include "core/result.hpp"

#include <cstdint>

namespace conduit::local {

// files counts the one written to: 3 keeps NAME, NAME.1 and NAME.2.
Result<bool> rotate_log(const fs::path& log, std::uint64_t max_bytes, int files);

} // namespace conduit::local
