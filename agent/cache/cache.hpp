// SPDX-License-Identifier: Apache-2.0
// Answers that may be given again: speech by text and parameters, transcriptions by audio and parameters.
// Keys are "audio:tts:<hash>" and "audio:stt:<hash>" and hold no plain text. A miss is never an error.
#pragma once

#include "core/clock.hpp"
#include "core/duration.hpp"
#include "core/result.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::agent {

struct CachedAnswer {
    std::string content_type;
    std::string body;
    std::string provider; // who made it
    double audio_seconds = 0;
};
using CachedPtr = std::shared_ptr<const CachedAnswer>;

struct CacheEntryInfo {
    std::string key;
    std::uint64_t bytes = 0;
    Duration expires_in{0};
    std::uint64_t hits = 0;
    std::string provider;
};

struct CacheStats {
    std::uint64_t entries = 0, bytes = 0, max_bytes = 0;
    std::uint64_t hits = 0, misses = 0, inserts = 0, evictions = 0, expired = 0, cleared = 0;
};

// Thread-safe, sharded; every call is short.
class Cache {
  public:
    virtual ~Cache() = default;
    virtual CachedPtr get(std::string_view key, SteadyTime now) = 0;
    virtual void put(std::string_view key, CachedPtr answer, Duration ttl, SteadyTime now) = 0;
    // Drops every key that starts with the prefix ("" is refused with usage); how many.
    virtual Result<std::uint64_t> clear(std::string_view prefix) = 0;
    virtual std::vector<CacheEntryInfo> list(std::string_view prefix, std::size_t limit,
                                             SteadyTime now) const = 0;
    virtual CacheStats stats() const = 0;
    virtual void set_max_bytes(std::uint64_t bytes) = 0;
};
std::unique_ptr<Cache> make_memory_cache(std::uint64_t max_bytes); // LRU by bytes

// One request in flight for a key; others wait for its answer. The caller gets Leader or Follower.
class SingleFlight {
  public:
    using Waiter = std::function<void(CachedPtr)>; // null: the leader failed, go on alone. Called on the
                                                   // leader's thread.
    // True: the caller leads and must call finish() once. False: `waiter` will be called.
    bool join(const std::string& key, Waiter waiter);
    void finish(const std::string& key, const CachedPtr& answer);

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;

  public:
    SingleFlight();
    ~SingleFlight();
};

// Everything that changes the result is in the key, the tenant's key id included unless it is "" (shared).
struct SpeechKeyParts {
    std::string_view tenant, model, voice, input, format, speed, instructions;
};
std::string speech_cache_key(const SpeechKeyParts& parts);
struct TranscriptionKeyParts {
    std::string_view tenant, operation, model, language, prompt, response_format, temperature, granularities;
    std::string_view audio_sha256; // raw 32 bytes
};
std::string transcription_cache_key(const TranscriptionKeyParts& parts);

} // namespace conduit::agent
