// SPDX-License-Identifier: Apache-2.0
#include "agent/metrics/summary_ring.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <new>
#include <numeric>

namespace conduit::agent {
namespace {

template <class T> T read(const T& value)
{
    return std::atomic_ref<T>(const_cast<T&>(value)).load(std::memory_order_relaxed);
}

template <class T> void write(T& value, T now)
{
    std::atomic_ref<T>(value).store(now, std::memory_order_relaxed);
}

void add(std::uint32_t& value, std::uint32_t amount = 1)
{
    write(value, read(value) + amount);
}

std::size_t latency_bucket(std::uint32_t total_us)
{
    const auto bounds = latency_bounds_ms();
    return static_cast<std::size_t>(std::ranges::lower_bound(bounds, total_us / 1000.0) - bounds.begin());
}

template <std::size_t N>
void merge(std::array<std::uint32_t, N>& into, const std::array<std::uint32_t, N>& from)
{
    for (std::size_t i = 0; i < N; ++i)
        into[i] += read(from[i]);
}

void clear(SummaryBucket& bucket)
{
    for (auto* value : {&bucket.requests, &bucket.errors, &bucket.retries, &bucket.limited,
                        &bucket.cache_hits, &bucket.cache_lookups})
        write(*value, 0U);
    for (auto& value : bucket.latency)
        write(value, 0U);
    for (auto& provider : bucket.providers) {
        write(provider.requests, 0U);
        write(provider.errors, 0U);
        for (auto& value : provider.latency)
            write(value, 0U);
    }
}

} // namespace

std::span<const double> latency_bounds_ms()
{
    static const auto bounds = [] {
        std::array<double, 23> made{};
        for (std::size_t i = 0; i < made.size(); ++i)
            made[i] = std::pow(120'000.0, static_cast<double>(i) / 22.0);
        made.back() = 120'000;
        return made;
    }();
    return bounds;
}

bool failed(const RequestRecord& record)
{
    return record.status >= 500 || record.outcome == Outcome::broken;
}

double quantile_ms(std::span<const std::uint32_t, 24> counts, double q)
{
    const auto total = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
    if (total == 0)
        return std::numeric_limits<double>::quiet_NaN();
    const auto bounds = latency_bounds_ms();
    const double rank = q * static_cast<double>(total);
    double below = 0;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        if (counts[i] > 0 && below + counts[i] >= rank) {
            const double low = i == 0 ? 0 : bounds[i - 1];
            return low + (bounds[i] - low) * (rank - below) / counts[i];
        }
        below += counts[i];
    }
    return bounds.back();
}

// Zeroed by the system page by page: a ring that is never used costs no memory.
SummaryRing::SummaryRing() : slots_(static_cast<Slot*>(std::calloc(k_ring_seconds, sizeof(Slot))))
{
    if (!slots_)
        throw std::bad_alloc();
}

void SummaryRing::Free::operator()(Slot* slots) const
{
    std::free(slots); // NOLINT(cppcoreguidelines-no-malloc): see the constructor
}

SummaryRing::Slot* SummaryRing::slot_of(std::int64_t second)
{
    if (second <= 0)
        return nullptr;
    auto& slot = slots_[static_cast<std::size_t>(second) % k_ring_seconds];
    const auto held = read(slot.bucket.second);
    if (held == second)
        return &slot;
    if (held > second)
        return nullptr;
    write(slot.bucket.second, std::int64_t{0}); // readers skip it while it is emptied
    clear(slot.bucket);
    write(slot.speech.hits, 0U);
    write(slot.speech.lookups, 0U);
    std::atomic_ref<std::int64_t>(slot.bucket.second).store(second, std::memory_order_release);
    return &slot;
}

void SummaryRing::record(const RequestRecord& record, std::size_t provider_index)
{
    auto* slot = slot_of(std::chrono::floor<std::chrono::seconds>(record.time).time_since_epoch().count());
    if (slot == nullptr)
        return;
    auto& bucket = slot->bucket;
    const bool error = failed(record);
    const auto latency = latency_bucket(record.total_us);
    add(bucket.requests);
    add(bucket.latency[latency]);
    if (error)
        add(bucket.errors);
    if (record.attempts > 1)
        add(bucket.retries, record.attempts - 1);
    if (record.cache != CacheUse::off) {
        const bool hit = record.cache != CacheUse::miss;
        add(bucket.cache_lookups);
        add(bucket.cache_hits, hit ? 1 : 0);
        if (record.operation == Operation::speech) {
            add(slot->speech.lookups);
            add(slot->speech.hits, hit ? 1 : 0);
        }
    }
    if (provider_index < k_max_providers) {
        auto& provider = bucket.providers[provider_index];
        add(provider.requests);
        add(provider.latency[latency]);
        if (error)
            add(provider.errors);
    }
}

void SummaryRing::limited(std::int64_t second)
{
    if (auto* slot = slot_of(second))
        add(slot->bucket.limited);
}

void SummaryRing::merge_into(std::vector<SummaryBucket>& out, std::int64_t first) const
{
    for (std::size_t i = 0; i < k_ring_seconds; ++i) {
        const auto& from = slots_[i].bucket;
        const auto second = std::atomic_ref<std::int64_t>(const_cast<std::int64_t&>(from.second))
                                .load(std::memory_order_acquire);
        if (second < first || second - first >= static_cast<std::int64_t>(out.size()))
            continue;
        auto& into = out[static_cast<std::size_t>(second - first)];
        into.requests += read(from.requests);
        into.errors += read(from.errors);
        into.retries += read(from.retries);
        into.limited += read(from.limited);
        into.cache_hits += read(from.cache_hits);
        into.cache_lookups += read(from.cache_lookups);
        merge(into.latency, from.latency);
        for (std::size_t p = 0; p < k_max_providers; ++p) {
            into.providers[p].requests += read(from.providers[p].requests);
            into.providers[p].errors += read(from.providers[p].errors);
            merge(into.providers[p].latency, from.providers[p].latency);
        }
    }
}

SpeechCache SummaryRing::speech_cache(std::int64_t first, std::int64_t last) const
{
    SpeechCache sum;
    for (std::size_t i = 0; i < k_ring_seconds; ++i) {
        const auto& slot = slots_[i];
        const auto second = read(slot.bucket.second);
        if (second < first || second > last)
            continue;
        sum.hits += read(slot.speech.hits);
        sum.lookups += read(slot.speech.lookups);
    }
    return sum;
}

} // namespace conduit::agent
