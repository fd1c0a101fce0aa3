// SPDX-License-Identifier: Apache-2.0
// Which backups stay: pure, so that what would go can be shown and argued about first.
#pragma once

#include "cli/backup/catalog.hpp"

namespace conduit::backup {

struct Retention { // the newest of each of the last so many days, weeks and months that have one
    int daily = 0, weekly = 0, monthly = 0;
    bool empty() const { return daily <= 0 && weekly <= 0 && monthly <= 0; }
};

struct Verdict {
    std::string id;
    bool keep = true;
    std::string why; // "daily", "newest proven", "younger than 24 h", "beyond what is kept"
};
// Oldest first. Kept whatever the rules say: all of the last 24 hours, and the newest that was proved to L3
// or higher (where none was, the newest sound one). Days are of UTC, weeks begin on Monday.
std::vector<Verdict> judge(const Catalog& catalog, const Retention& retention, WallTime now);

} // namespace conduit::backup
