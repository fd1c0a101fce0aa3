// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/cancel.hpp"

namespace conduit {

// SIGINT and SIGTERM set cancel, the second SIGINT ends the process at once (130, or 10 while a
// change is under way); SIGPIPE is ignored. cancel
// must live as long as the process. The one place with a global: a signal handler has no other way.
void handle_signals(Cancel& cancel);

} // namespace conduit
