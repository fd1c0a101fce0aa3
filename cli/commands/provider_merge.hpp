// SPDX-License-Identifier: Apache-2.0
// One row a provider out of every replica's own: a share or an error rate of one replica alone would mislead.
#pragma once

#include "core/json.hpp"

#include <vector>

namespace conduit::commands {

// Counts are summed, rates weighed by requests, of health and circuit the worst is taken, of latency the
// highest. bodies: the answers of /admin/v1/providers. The order is that of the first.
Json merged_providers(const std::vector<JsonBox>& bodies);

} // namespace conduit::commands
