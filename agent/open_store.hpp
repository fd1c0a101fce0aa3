// SPDX-License-Identifier: Apache-2.0
// The control store that the configuration names.
#pragma once

#include "agent/config/config.hpp"
#include "agent/control/state.hpp"
#include "core/cancel.hpp"

#include <memory>

namespace conduit::agent {

// A cluster that is away is no error here, one that nothing leads to is. `ends` must outlive the store.
Result<std::unique_ptr<ControlStore>> open_store(const StoreConfig& config, Cancel& ends, Clock& clock);

} // namespace conduit::agent
