// SPDX-License-Identifier: Apache-2.0
#include "agent/limits/limiter.hpp"

#include <algorithm>

namespace conduit::agent {
namespace {

constexpr std::int64_t k_window_seconds = 10;

std::int64_t second_of(SteadyTime now)
{
    return std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
}

} // namespace

// The first thread in a new second empties its bucket. A count added by another thread in that very moment
// may be lost; the budget is an order of magnitude, not an account.
void RetryBudget::roll(std::int64_t second)
{
    auto& bucket = buckets_[static_cast<std::size_t>(second) % buckets_.size()];
    auto seen = bucket.second.load(std::memory_order_acquire);
    if (seen == second || !bucket.second.compare_exchange_strong(seen, second, std::memory_order_acq_rel))
        return;
    bucket.requests.store(0, std::memory_order_relaxed);
    bucket.retries.store(0, std::memory_order_relaxed);
}

void RetryBudget::on_request(SteadyTime now)
{
    const auto second = second_of(now);
    roll(second);
    buckets_[static_cast<std::size_t>(second) % buckets_.size()].requests.fetch_add(
        1, std::memory_order_relaxed);
}

bool RetryBudget::try_retry(SteadyTime now, double share, const Rate& floor)
{
    const auto second = second_of(now);
    roll(second);
    auto& current = buckets_[static_cast<std::size_t>(second) % buckets_.size()];
    // Counted before it is judged: two threads at the edge may both be refused, never both be let through.
    current.retries.fetch_add(1, std::memory_order_relaxed);
    std::uint64_t requests = 0;
    std::uint64_t retries = 0;
    for (const auto& bucket : buckets_) {
        const auto age = second - bucket.second.load(std::memory_order_acquire);
        if (age < 0 || age >= k_window_seconds)
            continue;
        requests += bucket.requests.load(std::memory_order_relaxed);
        retries += bucket.retries.load(std::memory_order_relaxed);
    }
    const double least = floor.count == 0 ? 0 : floor.per_second() * static_cast<double>(k_window_seconds);
    if (static_cast<double>(retries) <= std::max(share * static_cast<double>(requests), least))
        return true;
    current.retries.fetch_sub(1, std::memory_order_relaxed);
    return false;
}

} // namespace conduit::agent
