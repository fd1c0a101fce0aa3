// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command/registry.hpp"

#include <vector>

namespace conduit::commands {

// These verbs read this machine's own files: no backend, no login.
inline std::vector<Omitted> local_files()
{
    return {{ErrorKind::auth, "reads this machine's own journal"},
            {ErrorKind::unreachable, "reads this machine's own journal"},
            {ErrorKind::unknown, "reads this machine's own journal"},
            {ErrorKind::interrupted, "ends at once"}};
}

} // namespace conduit::commands
