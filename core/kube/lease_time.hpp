// SPDX-License-Identifier: Apache-2.0
// Times of Leases: written as their field wants them, and reckoned by the API server's clock.
#pragma once

#include "core/clock.hpp"
#include "core/kube/transport.hpp"

#include <string>

namespace conduit::kube {

std::string micro_time(WallTime time); // a MicroTime has six digits, no more and no less
// By how much the server's clock is ahead of ours, to the second that its Date header has; 0 where that is
// all.
Duration clock_ahead(const Answer& answer, WallTime now);

} // namespace conduit::kube
