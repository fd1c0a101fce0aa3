// SPDX-License-Identifier: Apache-2.0
#include "agent/cache/cache.hpp"

#include <mutex>
#include <unordered_map>

namespace conduit::agent {

struct SingleFlight::Impl {
    std::mutex mutex;
    std::unordered_map<std::string, std::vector<Waiter>> flights;
};

SingleFlight::SingleFlight() : impl_(std::make_shared<Impl>()) {}
SingleFlight::~SingleFlight() = default;

bool SingleFlight::join(const std::string& key, Waiter waiter)
{
    const std::scoped_lock lock(impl_->mutex);
    const auto [flight, first] = impl_->flights.try_emplace(key);
    if (!first)
        flight->second.push_back(std::move(waiter));
    return first;
}

void SingleFlight::finish(const std::string& key, const CachedPtr& answer)
{
    std::vector<Waiter> waiters;
    {
        const std::scoped_lock lock(impl_->mutex);
        const auto flight = impl_->flights.find(key);
        if (flight == impl_->flights.end())
            return;
        waiters = std::move(flight->second);
        impl_->flights.erase(flight);
    }
    // Outside the lock: a waiter may join again at once, as the next leader.
    for (auto& waiter : waiters)
        waiter(answer);
}

} // namespace conduit::agent
