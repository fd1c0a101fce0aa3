// SPDX-License-Identifier: Apache-2.0
// The completion scripts. They know nothing of the commands: each asks `conduitctl __complete`.
#pragma once

#include <string_view>

namespace conduit {

std::string_view bash_completion();
std::string_view zsh_completion();
std::string_view fish_completion();

} // namespace conduit
