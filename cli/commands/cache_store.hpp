// SPDX-License-Identifier: Apache-2.0
// `cache clear --store redis`.
#pragma once

#include "cli/app/app.hpp"
#include "cli/ops/change_options.hpp"

#include <optional>
#include <string>
#include <vector>

namespace conduit::commands {

struct StoreClear {
    std::string prefix;
    std::string pattern;
    bool all = false;
    std::optional<int> database;
    std::vector<std::string> allowed;
    std::optional<Rate> rate;
};
Result<Report> clear_store(App& app, const StoreClear& wanted, ops::ChangeOptions change);

} // namespace conduit::commands
