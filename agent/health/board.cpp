// SPDX-License-Identifier: Apache-2.0
#include "agent/health/health.hpp"

#include "core/text.hpp"

#include <algorithm>

namespace conduit::agent {
namespace {

constexpr Duration k_throttle_default{3'000};
constexpr Duration k_throttle_max{120'000};
constexpr Duration k_quota_pause{300'000};
constexpr std::size_t k_max_entries = k_max_providers * 4;
constexpr std::size_t k_max_error_text = 300;
constexpr std::uint32_t k_full_score = 1000;

// One part in `slowness` of the way to the target; always at least one step, so that it arrives.
void move_score(std::atomic<std::uint32_t>& score, std::uint32_t target, std::int64_t slowness)
{
    auto seen = score.load(std::memory_order_relaxed);
    while (seen != target) {
        const auto distance = static_cast<std::int64_t>(target) - static_cast<std::int64_t>(seen);
        auto step = distance / slowness;
        if (step == 0)
            step = distance > 0 ? 1 : -1;
        const auto next = static_cast<std::uint32_t>(static_cast<std::int64_t>(seen) + step);
        if (score.compare_exchange_weak(seen, next, std::memory_order_relaxed))
            return;
    }
}

void cool_down(ProviderHealth& health, SteadyTime now, Duration pause)
{
    const auto until = std::chrono::nanoseconds((now + pause).time_since_epoch()).count();
    auto seen = health.cooldown_until_ns.load(std::memory_order_relaxed);
    while (seen < until &&
           !health.cooldown_until_ns.compare_exchange_weak(seen, until, std::memory_order_relaxed)) {
    }
}

constexpr std::int64_t k_slow = 10; // one request
constexpr std::int64_t k_probe = 4; // probes are rare, so each says more
constexpr std::int64_t k_throttled = 20;

} // namespace

std::string_view outcome_name(Outcome outcome)
{
    static constexpr std::array<std::string_view, 9> names{"ok",         "client_error", "unsupported",
                                                           "credential", "quota",        "throttled",
                                                           "transient",  "broken",       "cancelled"};
    const auto index = static_cast<std::size_t>(outcome);
    return index < names.size() ? names[index] : "unknown";
}

bool ProviderHealth::available(SteadyTime now) const
{
    return !auth_failed.load(std::memory_order_relaxed) &&
           std::chrono::nanoseconds(now.time_since_epoch()).count() >=
               cooldown_until_ns.load(std::memory_order_relaxed) &&
           breaker.would_allow(now);
}

ProviderHealth& HealthBoard::of(const std::string& name)
{
    const std::scoped_lock lock(mutex_);
    for (auto& [known, health] : entries_)
        if (known == name)
            return *health;
    if (entries_.size() < k_max_entries)
        return *entries_.emplace_back(name, std::make_unique<ProviderHealth>()).second;
    return *entries_.back().second; // far beyond what a configuration may hold: they share the last one
}

void HealthBoard::report(ProviderHealth& health, Outcome outcome, SteadyTime now, const HealthConfig& config,
                         Duration retry_after)
{
    health.outcomes[static_cast<std::size_t>(outcome)].fetch_add(1, std::memory_order_relaxed);
    switch (outcome) {
    case Outcome::ok:
        health.breaker.on_success();
        if (health.auth_failed.load(std::memory_order_relaxed))
            health.auth_failed.store(false, std::memory_order_relaxed);
        move_score(health.score_milli, k_full_score, k_slow);
        return;
    case Outcome::transient:
    case Outcome::broken:
        health.breaker.on_failure(now, config);
        move_score(health.score_milli, 0, k_slow);
        return;
    case Outcome::throttled:
        health.breaker.on_neutral();
        cool_down(health, now,
                  std::min(retry_after > Duration{0} ? retry_after : k_throttle_default, k_throttle_max));
        move_score(health.score_milli, k_full_score / 2, k_throttled);
        return;
    case Outcome::quota:
        health.breaker.on_neutral();
        cool_down(health, now, k_quota_pause);
        return;
    case Outcome::credential:
        health.breaker.on_neutral();
        health.auth_failed.store(true, std::memory_order_relaxed);
        return;
    case Outcome::client_error:
    case Outcome::unsupported:
    case Outcome::cancelled:
        health.breaker.on_neutral();
        return;
    }
}

// A probe moves the score and the credential's mark. It does not close or open the circuit: the cheap call
// may work while the real one fails, and the other way round.
void HealthBoard::report_probe(ProviderHealth& health, bool ok, Duration took, WallTime when,
                               const HealthConfig& /*config*/)
{
    const auto us = std::clamp<std::int64_t>(std::chrono::microseconds(took).count(), 0, UINT32_MAX);
    health.last_probe_us.store(static_cast<std::uint32_t>(us), std::memory_order_relaxed);
    health.last_probe_ms.store(when.time_since_epoch().count(), std::memory_order_relaxed);
    health.last_probe_ok.store(ok, std::memory_order_relaxed);
    if (ok)
        health.auth_failed.store(false, std::memory_order_relaxed);
    move_score(health.score_milli, ok ? k_full_score : 0, k_probe);
}

std::string HealthBoard::last_error(const std::string& name) const
{
    const std::scoped_lock lock(mutex_);
    for (const auto& [known, text] : errors_)
        if (known == name)
            return text;
    return {};
}

void HealthBoard::note_error(const std::string& name, std::string text)
{
    if (text.size() > k_max_error_text)
        text.resize(k_max_error_text);
    text = printable(sanitize_utf8(text));
    const std::scoped_lock lock(mutex_);
    for (auto& [known, noted] : errors_)
        if (known == name) {
            noted = std::move(text);
            return;
        }
    if (errors_.size() < k_max_entries)
        errors_.emplace_back(name, std::move(text));
}

} // namespace conduit::agent
