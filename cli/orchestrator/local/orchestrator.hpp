// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/orchestrator/orchestrator.hpp"
#include "core/fs.hpp"

#include <memory>

namespace conduit::local {

// The processes of one folder. Where no supervisor runs, reads answer with nothing running and changes are
// unreachable. cancel cuts off what only reads.
std::unique_ptr<Orchestrator> make_orchestrator(const fs::path& dir, const Cancel* cancel = nullptr);

} // namespace conduit::local
