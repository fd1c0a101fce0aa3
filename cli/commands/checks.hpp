// SPDX-License-Identifier: Apache-2.0
// What `doctor` and `context check` look at.
#pragma once

#include "cli/app/app.hpp"

#include <string>
#include <vector>

namespace conduit::commands {

struct NamedCheck {
    std::string name;
    CheckResult result;
};
std::vector<NamedCheck> check_installation(App& app); // configuration, folders, permissions
std::vector<NamedCheck> check_context(App& app, const Context& context); // its secrets, and App::reach_checks
Report checks_report(const std::vector<NamedCheck>& checks);             // breached when one fails

} // namespace conduit::commands
