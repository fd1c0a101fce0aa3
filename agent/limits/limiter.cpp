// SPDX-License-Identifier: Apache-2.0
#include "agent/limits/limiter.hpp"

#include "agent/control/snapshot.hpp"

#include <algorithm>
#include <cmath>

namespace conduit::agent {
namespace {

constexpr double k_burst_seconds = 10;
constexpr std::uint64_t k_burst_floor = 10;

// The share of one replica. Burst: ten seconds' worth, but at least ten (never more than the count itself),
// so that "1000/h" does not refuse a client that sends a handful of requests at once. Over any window at most
// count + burst pass.
Pace pace_of(const Rate& rate, std::uint32_t replicas)
{
    const double share = std::max<std::uint32_t>(replicas, 1);
    const double window_ns = std::max(1.0, static_cast<double>(rate.window.count()) * 1e6);
    const double count = static_cast<double>(rate.count);
    const double interval = std::clamp(window_ns * share / count, 1.0, 1e16);
    const double ten_seconds = std::ceil(count * k_burst_seconds * 1e9 / window_ns);
    const double burst = std::min(count, std::max(ten_seconds, static_cast<double>(k_burst_floor)));
    return {static_cast<std::int64_t>(interval),
            static_cast<std::int64_t>(std::clamp(std::floor(burst / share), 1.0, 1e9))};
}

// Requests a minute on all traffic; the burst is only one second's worth, because this limit protects
// something that is already in trouble.
Pace emergency_pace(std::uint32_t requests_per_minute, std::uint32_t replicas)
{
    const double share = std::max<std::uint32_t>(replicas, 1);
    const double rpm = std::max<std::uint32_t>(requests_per_minute, 1);
    return {static_cast<std::int64_t>(60e9 * share / rpm),
            std::max<std::int64_t>(1, static_cast<std::int64_t>(rpm / share / 60))};
}

} // namespace

std::string_view limit_reason_name(LimitReason reason)
{
    switch (reason) {
    case LimitReason::none:
        return "none";
    case LimitReason::key:
        return "key";
    case LimitReason::global:
        return "global";
    case LimitReason::emergency:
        return "emergency";
    }
    return "unknown";
}

bool gcra_take(std::atomic<std::int64_t>& tat, std::int64_t now_ns, std::int64_t interval_ns,
               std::int64_t burst, std::int64_t& wait_ns)
{
    const std::int64_t tolerance = (burst - 1) * interval_ns;
    auto seen = tat.load(std::memory_order_relaxed);
    while (true) {
        const auto start = std::max(seen, now_ns);
        if (start - now_ns > tolerance) {
            wait_ns = start - now_ns - tolerance;
            return false;
        }
        if (tat.compare_exchange_weak(seen, start + interval_ns, std::memory_order_relaxed)) {
            wait_ns = 0;
            return true;
        }
    }
}

LimitSlot* Limiter::slot(const std::string& key_id)
{
    const std::scoped_lock lock(mutex_);
    auto& entry = by_id_[key_id];
    if (entry == nullptr)
        entry = &slots_.emplace_back();
    return entry;
}

Duration wait_of(std::int64_t wait_ns)
{
    return std::chrono::ceil<Duration>(std::chrono::nanoseconds{wait_ns});
}

void gcra_spend(std::atomic<std::int64_t>& tat, std::int64_t now_ns, const Pace& pace)
{
    auto seen = tat.load(std::memory_order_relaxed);
    const auto most = now_ns + pace.burst * pace.interval_ns;
    while (!tat.compare_exchange_weak(seen, std::min(std::max(seen, now_ns) + pace.interval_ns, most),
                                      std::memory_order_relaxed)) {
    }
}

LimitSteps Limiter::steps(const Snapshot& snapshot, const ApiKey* key, std::uint32_t replicas)
{
    LimitSteps out;
    if (snapshot.emergency_rpm)
        out.steps[out.count++] = {&emergency_, LimitReason::emergency,
                                  emergency_pace(*snapshot.emergency_rpm, replicas), nullptr};
    const auto& limits = snapshot.config.limits;
    if (limits.global.count > 0)
        out.steps[out.count++] = {&global_, LimitReason::global, pace_of(limits.global, replicas), nullptr};
    if (key != nullptr && key->slot != nullptr) {
        const auto& rate = key->limit.count > 0 ? key->limit : limits.per_key;
        if (rate.count > 0)
            out.steps[out.count++] = {key->slot, LimitReason::key, pace_of(rate, replicas), key};
    }
    return out;
}

LimitVerdict Limiter::take(const Snapshot& snapshot, const ApiKey* key, SteadyTime now)
{
    const auto plan = steps(snapshot, key, snapshot.replicas);
    const auto now_ns = std::chrono::nanoseconds(now.time_since_epoch()).count();
    for (const auto& step : plan) {
        std::int64_t wait_ns = 0;
        if (gcra_take(step.slot->tat, now_ns, step.pace.interval_ns, step.pace.burst, wait_ns))
            continue;
        step.slot->refused.fetch_add(1, std::memory_order_relaxed);
        for (const auto* taken = plan.begin(); taken != &step; ++taken)
            taken->slot->tat.fetch_sub(taken->pace.interval_ns, std::memory_order_relaxed);
        return {step.reason, wait_of(wait_ns)};
    }
    for (const auto& step : plan)
        step.slot->allowed.fetch_add(1, std::memory_order_relaxed);
    return {};
}

} // namespace conduit::agent
