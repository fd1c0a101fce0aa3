// SPDX-License-Identifier: Apache-2.0
// The engine's questions and progress on the console.
#pragma once

#include "cli/app/app.hpp"
#include "cli/ops/confirm.hpp"
#include "cli/ops/progress.hpp"

#include <memory>

namespace conduit {

std::unique_ptr<ops::Prompt> make_console_prompt(App& app);
std::unique_ptr<ops::Progress> make_console_progress(App& app); // silent under -q and --progress none

} // namespace conduit
