// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/metrics/metrics.hpp"

namespace conduit::agent::test {

struct FakeGauges final : GaugeSource {
    std::vector<PoolStats> pools() const override
    {
        PoolStats pool;
        pool.provider = "openai";
        pool.in_use = 3;
        pool.limit = 100;
        pool.exhausted = 2;
        return {pool};
    }
    std::uint64_t cache_bytes() const override { return 4096; }
    std::uint64_t cache_entries() const override { return 2; }
    std::uint64_t connections() const override { return 7; }
    std::uint64_t realtime_sessions() const override { return 1; }
    Records::Stats records() const override
    {
        Records::Stats stats;
        stats.written = 11;
        stats.dropped = 1;
        return stats;
    }
};

inline Snapshot two_providers()
{
    Snapshot snapshot;
    snapshot.revision = 42;
    for (const auto* name : {"openai", "google"}) {
        ProviderConfig provider;
        provider.name = name;
        snapshot.config.providers.push_back(provider);
    }
    return snapshot;
}

inline RequestRecord speech_record(WallTime when)
{
    RequestRecord record;
    record.time = when;
    record.operation = Operation::speech;
    record.provider = "openai";
    record.model = "tts-1";
    record.voice = "alloy";
    record.language = "en";
    record.status = 200;
    record.cache = CacheUse::miss;
    record.attempts = 1;
    record.characters = 120;
    record.cost_usd = 0.0018;
    record.audio_seconds = 7.5;
    record.total_us = 180'000;
    record.first_byte_us = 90'000;
    record.overhead_us = 400;
    return record;
}

} // namespace conduit::agent::test
