// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/orchestrator/local_stack.hpp"
#include "core/http.hpp"

#include <memory>

namespace conduit::local {

// http is asked for only when the simulator is spoken to.
std::unique_ptr<LocalStack> make_local_stack(std::function<Result<HttpClient*>()> http);

} // namespace conduit::local
