// SPDX-License-Identifier: Apache-2.0
#include "agent/health/health.hpp"

#include <algorithm>

namespace conduit::agent {
namespace {

// A trial whose outcome never came (its connection object was lost) must not keep the circuit open for ever.
constexpr std::int64_t k_trial_limit_ns = 30'000'000'000;

std::int64_t ns_of(SteadyTime time)
{
    return std::chrono::nanoseconds(time.time_since_epoch()).count();
}

// Spreads the replicas' trials: 0..1 out of the clock's low bits (splitmix64).
double jitter(std::uint64_t seed)
{
    seed += 0x9e3779b97f4a7c15ULL;
    seed = (seed ^ (seed >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    seed = (seed ^ (seed >> 27U)) * 0x94d049bb133111ebULL;
    return static_cast<double>((seed ^ (seed >> 31U)) >> 11U) * 0x1.0p-53;
}

std::int64_t pause_ns(std::uint32_t opened_times, std::int64_t now_ns, const HealthConfig& config)
{
    const auto least = static_cast<double>(config.breaker_open_min.count()) * 1e6;
    const auto most = std::max(least, static_cast<double>(config.breaker_open_max.count()) * 1e6);
    const auto doublings = std::min<std::uint32_t>(opened_times, 30);
    const auto base = std::min(most, least * static_cast<double>(1ULL << doublings));
    const auto seed = static_cast<std::uint64_t>(now_ns) ^ opened_times;
    return static_cast<std::int64_t>(std::clamp(base * (0.8 + 0.4 * jitter(seed)), least, most));
}

} // namespace

std::string_view circuit_name(CircuitState state)
{
    switch (state) {
    case CircuitState::closed:
        return "closed";
    case CircuitState::open:
        return "open";
    case CircuitState::half_open:
        return "half_open";
    }
    return "unknown";
}

bool CircuitBreaker::allow(SteadyTime now)
{
    const auto until = open_until_ns_.load(std::memory_order_acquire);
    if (until == 0)
        return true;
    const auto now_ns = ns_of(now);
    if (now_ns < until)
        return false;
    bool idle = false;
    if (trial_.compare_exchange_strong(idle, true, std::memory_order_acq_rel)) {
        trial_since_ns_.store(now_ns, std::memory_order_release);
        return true;
    }
    auto since = trial_since_ns_.load(std::memory_order_acquire);
    return since != 0 && now_ns - since > k_trial_limit_ns &&
           trial_since_ns_.compare_exchange_strong(since, now_ns, std::memory_order_acq_rel);
}

bool CircuitBreaker::would_allow(SteadyTime now) const
{
    const auto until = open_until_ns_.load(std::memory_order_acquire);
    if (until == 0)
        return true;
    const auto now_ns = ns_of(now);
    if (now_ns < until)
        return false;
    if (!trial_.load(std::memory_order_acquire))
        return true;
    const auto since = trial_since_ns_.load(std::memory_order_acquire);
    return since != 0 && now_ns - since > k_trial_limit_ns;
}

void CircuitBreaker::on_success()
{
    if (failures_.load(std::memory_order_relaxed) != 0)
        failures_.store(0, std::memory_order_relaxed);
    // Without a trial this is a request from before the failures: it proves nothing about now.
    if (open_until_ns_.load(std::memory_order_acquire) == 0 || !trial_.load(std::memory_order_acquire))
        return;
    reset();
}

void CircuitBreaker::on_failure(SteadyTime now, const HealthConfig& config)
{
    const auto failures = failures_.fetch_add(1, std::memory_order_relaxed) + 1;
    const auto now_ns = ns_of(now);
    auto until = open_until_ns_.load(std::memory_order_acquire);
    if (until == 0 ? failures < std::max<std::uint32_t>(config.breaker_failures, 1) : now_ns < until)
        return;
    const auto opened = opened_times_.load(std::memory_order_relaxed);
    const auto next = now_ns + pause_ns(opened, now_ns, config);
    // Of several threads that fail at once only one opens it, so that the pause doubles once.
    if (!open_until_ns_.compare_exchange_strong(until, next, std::memory_order_acq_rel))
        return;
    opened_times_.store(opened + 1, std::memory_order_relaxed);
    trial_since_ns_.store(0, std::memory_order_release);
    trial_.store(false, std::memory_order_release);
}

void CircuitBreaker::on_neutral()
{
    if (!trial_.load(std::memory_order_acquire))
        return;
    trial_since_ns_.store(0, std::memory_order_release);
    trial_.store(false, std::memory_order_release);
}

void CircuitBreaker::reset()
{
    failures_.store(0, std::memory_order_relaxed);
    opened_times_.store(0, std::memory_order_relaxed);
    open_until_ns_.store(0, std::memory_order_release);
    trial_since_ns_.store(0, std::memory_order_release);
    trial_.store(false, std::memory_order_release);
}

CircuitState CircuitBreaker::state(SteadyTime now) const
{
    const auto until = open_until_ns_.load(std::memory_order_acquire);
    if (until == 0)
        return CircuitState::closed;
    return ns_of(now) < until ? CircuitState::open : CircuitState::half_open;
}

Duration CircuitBreaker::opens_in(SteadyTime now) const
{
    const auto until = open_until_ns_.load(std::memory_order_acquire);
    const auto left = until - ns_of(now);
    return until == 0 || left <= 0 ? Duration{0}
                                   : std::chrono::ceil<Duration>(std::chrono::nanoseconds{left});
}

} // namespace conduit::agent
