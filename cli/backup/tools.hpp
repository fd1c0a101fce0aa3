// SPDX-License-Identifier: Apache-2.0
// The programs of others that backups are made and proved with.
#pragma once

#include "core/result.hpp"

#include <string>

namespace conduit::backup {

// "pg_dump (PostgreSQL) 15.18": the first line of --version. not_found, with how to install it.
Result<std::string> tool_version(const std::string& program);

} // namespace conduit::backup
