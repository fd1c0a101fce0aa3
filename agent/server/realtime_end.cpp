// SPDX-License-Identifier: Apache-2.0
#include "agent/server/realtime_end.hpp"

namespace conduit::agent {

namespace {
// While the replica drains, a session that was silent for so long has nothing under way.
constexpr auto k_quiet = 5s;
} // namespace

RealtimeEnd::RealtimeEnd(Worker& worker, std::string provider, std::uint64_t epoch, const Stream& client,
                         const Stream& upstream, Signal& wake)
    : Timed(worker.loop), worker_(worker), provider_(std::move(provider)), epoch_(epoch), client_(client),
      upstream_(upstream), wake_(wake)
{
}

std::chrono::milliseconds RealtimeEnd::close_wait() const
{
    return worker_.shared.draining.load(std::memory_order_relaxed) ? 1s : 5s;
}

bool RealtimeEnd::drained(SteadyTime now) const
{
    const Shared& shared = worker_.shared;
    if (!shared.draining.load(std::memory_order_acquire))
        return false;
    const bool quiet = now - quiet_since_ >= k_quiet && !shared.patient.load(std::memory_order_relaxed);
    return quiet || now >= shared.drain_until.load(std::memory_order_relaxed);
}

std::optional<Duration> RealtimeEnd::allowed() const
{
    const Config& config = worker_.snapshot->config;
    const ProviderConfig* provider = find_provider(config, provider_);
    if (provider == nullptr)
        return Duration{0}; // it is no longer configured
    if (!provider->enabled && provider->realtime_drain > Duration{0})
        return provider->realtime_drain;
    if (epoch_ < worker_.snapshot->pool_reset_epoch && config.pool.realtime_drain > Duration{0})
        return config.pool.realtime_drain;
    return std::nullopt;
}

void RealtimeEnd::on_tick(SteadyTime now)
{
    if (due())
        return;
    const std::uint64_t bytes = client_.bytes_in() + upstream_.bytes_in();
    if (bytes != seen_bytes_)
        quiet_since_ = now;
    seen_bytes_ = bytes;
    const auto left = allowed();
    if (!left)
        taken_out_at_.reset();
    else if (!taken_out_at_)
        taken_out_at_ = now;
    if (drained(now))
        reason_ = "the router is shutting down; connect again";
    else if (left && now - *taken_out_at_ >= *left)
        reason_ = "the provider was taken out; connect again";
    if (due())
        wake_.set();
}

} // namespace conduit::agent
