// SPDX-License-Identifier: Apache-2.0
// One finished request: feeds metrics, usage, summary and the record store. Metadata only: never audio, never
// text.
#pragma once

#include "agent/config/config.hpp"
#include "agent/health/health.hpp"
#include "core/clock.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace conduit::agent {

enum class CacheUse : std::uint8_t {
    off,
    miss,
    hit,
    joined
}; // joined: waited for an equal request in flight
std::string_view cache_use_name(CacheUse use);

struct RequestRecord {
    WallTime time{};
    std::string request_id;
    std::string key_id; // "" when keys are not required
    Operation operation = Operation::transcription;
    std::string provider; // "" when none was reached
    std::string model;
    std::string voice;
    std::string language;
    int status = 0;    // the HTTP status sent to the client; 499: the client went away
    std::string error; // our error code ("rate_limited", "provider_unavailable"), "" when ok
    Outcome outcome = Outcome::ok;
    CacheUse cache = CacheUse::off;
    std::uint32_t attempts = 0;
    bool streamed = false;
    std::uint64_t bytes_in = 0, bytes_out = 0;
    std::uint32_t characters = 0; // speech input
    std::uint32_t tokens = 0;     // chat: prompt and answer, as the provider counted them
    double audio_seconds = 0;     // measured, not guessed from the size; 0 when it could not be measured
    double cost_usd = 0;
    std::uint32_t total_us = 0;      // first byte in to last byte out
    std::uint32_t first_byte_us = 0; // until the first byte to the client
    std::uint32_t overhead_us = 0;   // ours: total without waiting for the provider
};

double cost_of(const Price& price, Operation operation, double audio_seconds, std::uint32_t characters,
               std::uint32_t tokens);

struct UsageRow { // the answer of usage/top and usage/show
    std::string key_id, provider, model, operation, day;
    std::uint64_t requests = 0, errors = 0, characters = 0, tokens = 0, bytes_in = 0, bytes_out = 0;
    double audio_seconds = 0, cost_usd = 0;
};

struct UsageQuery {
    std::vector<std::string> by; // any of key provider model operation day; empty: key
    WallTime since{};
    std::size_t limit = 10;
    std::string order = "requests"; // requests, cost, audio_seconds, characters
};

// Batches off the hot path. push() never blocks and never allocates beyond the record itself.
class Records {
  public:
    virtual ~Records() = default;
    virtual void push(unsigned worker, RequestRecord record) = 0;
    virtual Result<std::vector<UsageRow>> usage(const UsageQuery& query) = 0;
    struct Stats {
        std::uint64_t queued = 0, written = 0, spooled = 0, dropped = 0;
        std::uint64_t spool_bytes = 0;
        std::string last_error;
    };
    virtual Stats stats() const = 0;
    virtual Result<> flush(Deadline deadline) = 0; // on shutdown and in tests
};

// Memory queue, then the spool, then drop and count. workers: how many threads push.
Result<std::unique_ptr<Records>> make_sqlite_records(const RecordsConfig& config, unsigned workers);
std::unique_ptr<Records> make_null_records();

} // namespace conduit::agent
