// SPDX-License-Identifier: Apache-2.0
// The provider noun's verbs, spread over files by what they are about; provider.cpp has the table.
#pragma once

#include "cli/commands/support.hpp"

namespace conduit::commands {

std::vector<Verb> provider_read_verbs();    // ls show test health quota latency status-page
std::vector<Verb> provider_switch_verbs();  // enable disable
std::vector<Verb> provider_weight_verbs();  // weight redistribute
std::vector<Verb> provider_setting_verbs(); // set endpoint

// Largest-remainder shares of 100 that keep the proportions of `weights`; all zero stays all zero.
std::vector<int> normalised(const std::vector<double>& weights);
// "openai 70 → 0 %   google 20 → 67 %": shares of traffic before and after, for the plan's screen.
std::string traffic_line(const std::vector<std::string>& names, const std::vector<double>& before,
                         const std::vector<double>& after);

} // namespace conduit::commands
