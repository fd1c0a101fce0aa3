// SPDX-License-Identifier: Apache-2.0
#include "agent/router/chooser.hpp"

#include <algorithm>

namespace conduit::agent {
namespace {

// A provider whose score fell to nothing still gets a trickle, or it could never show that it recovered.
constexpr double k_least_score = 0.05;

bool eligible(const ProviderConfig& provider, const ProviderHealth& health, Operation operation,
              SteadyTime now)
{
    return provider.enabled && supports(provider, operation) && health.available(now) &&
           (provider.max_concurrent == 0 ||
            health.in_flight.load(std::memory_order_relaxed) < provider.max_concurrent);
}

} // namespace

bool supports(const ProviderConfig& provider, Operation operation)
{
    if (!provider.operations.empty() && !provider.operations.contains(operation))
        return false;
    switch (provider.kind) {
    case ProviderKind::openai:
        return true;
    case ProviderKind::google:
    case ProviderKind::aws:
        return operation == Operation::transcription || operation == Operation::speech;
    }
    return false;
}

std::optional<std::size_t> Chooser::choose(const Snapshot& snapshot, std::span<ProviderHealth* const> health,
                                           Operation operation, ProviderSet excluded, SteadyTime now)
{
    if (generation_ != snapshot.generation) {
        generation_ = snapshot.generation;
        current_ = {};
    }
    const auto& providers = snapshot.config.providers;
    const auto count = std::min({providers.size(), health.size(), k_max_providers});
    ProviderSet candidates;
    bool weighted = false;
    for (std::size_t i = 0; i < count; ++i) {
        if (excluded[i] || health[i] == nullptr || !eligible(providers[i], *health[i], operation, now))
            continue;
        candidates.set(i);
        weighted = weighted || providers[i].weight > 0;
    }

    auto& current = current_[static_cast<std::size_t>(operation)];
    std::optional<std::size_t> best;
    double total = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (!candidates[i] || (weighted && providers[i].weight <= 0))
            continue;
        const double weight = weighted ? providers[i].weight : 1.0; // fallbacks share evenly
        const double effective = weight * std::max(health[i]->score(), k_least_score);
        current[i] += effective;
        total += effective;
        if (!best || current[i] > current[*best])
            best = i;
    }
    if (best)
        current[*best] -= total;
    return best;
}

} // namespace conduit::agent
