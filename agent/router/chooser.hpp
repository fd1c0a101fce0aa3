// SPDX-License-Identifier: Apache-2.0
// Which provider gets a request: smooth weighted round robin over those that are enabled, support the
// operation and are available; weight is scaled by the health score. Pure decision, one object a thread, no
// sockets.
#pragma once

#include "agent/control/snapshot.hpp"
#include "agent/health/health.hpp"

#include <array>
#include <bitset>
#include <optional>
#include <span>

namespace conduit::agent {

using ProviderSet = std::bitset<k_max_providers>; // bit i: providers[i] of the snapshot

class Chooser {
  public:
    // Index into snapshot.config.providers, or nothing when none is left. `health[i]` belongs to
    // providers[i]. First pass: available ones with weight > 0; then weight 0 as fallback; then, for a
    // request that would otherwise fail, enabled ones whose circuit is open are NOT used.
    std::optional<std::size_t> choose(const Snapshot& snapshot, std::span<ProviderHealth* const> health,
                                      Operation operation, ProviderSet excluded, SteadyTime now);

  private:
    std::uint64_t generation_ = 0; // weights changed: the running sums start anew
    std::array<std::array<double, k_max_providers>, k_operations.size()> current_{};
};

bool supports(const ProviderConfig& provider, Operation operation);

} // namespace conduit::agent
