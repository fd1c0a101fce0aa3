// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/records/record.hpp"
#include "core/fs.hpp"

#include <string>

namespace conduit::agent::test {

inline RequestRecord sample_record(int number, WallTime time = WallTime{std::chrono::seconds{1'800'000'000}})
{
    RequestRecord record;
    record.time = time;
    record.request_id = "req-" + std::to_string(number);
    record.key_id = number % 2 == 0 ? "team-a" : "team-b";
    record.operation = Operation::speech;
    record.provider = "openai";
    record.model = "tts-1";
    record.voice = "alloy";
    record.language = "en";
    record.status = 200;
    record.cache = CacheUse::miss;
    record.attempts = 1;
    record.bytes_in = 100;
    record.bytes_out = 20'000;
    record.characters = 50;
    record.audio_seconds = 2.5;
    record.cost_usd = 0.00075;
    record.total_us = 120'000;
    return record;
}

inline RecordsConfig config_in(const fs::path& folder)
{
    RecordsConfig config;
    config.path = folder / "records.db";
    config.flush_interval = Duration{20};
    return config;
}

// The one number that a query of the database gives.
std::int64_t count_in(const fs::path& path, const std::string& sql);

} // namespace conduit::agent::test
