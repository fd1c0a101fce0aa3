// SPDX-License-Identifier: Apache-2.0
// The composition root: which factory makes which backend in the real program.
#pragma once

#include "cli/app/app.hpp"

namespace conduit {

void wire(App& app);

} // namespace conduit
