// SPDX-License-Identifier: Apache-2.0
// One request to a folder's supervisor.
#pragma once

#include "cli/orchestrator/local/layout.hpp"
#include "core/cancel.hpp"
#include "core/clock.hpp"
#include "core/json.hpp"

#include <functional>

namespace conduit::local {

using OnProgress = std::function<void(const Json& event)>;

// unreachable: no supervisor answers; unknown: it did not answer in time, or hung up after the request was
// sent; interrupted: cancel was requested while waiting.
struct AskHooks {
    OnProgress progress;
    std::function<void()> on_sent; // the request has left, no answer was read yet
    const Cancel* cancel = nullptr;
};
Result<Json> ask_supervisor(const Layout& layout, const Json& request, Deadline deadline,
                            const AskHooks& hooks = {});

} // namespace conduit::local
