// SPDX-License-Identifier: Apache-2.0
// The agent's configuration file, typed. Base configuration only: run-time overrides are laid over it in
// agent/control/snapshot.hpp. Field names and defaults: docs/design 7, "Agent configuration".
#pragma once

#include "core/duration.hpp"
#include "core/fs.hpp"
#include "core/json.hpp"
#include "core/redis/settings.hpp"
#include "core/result.hpp"
#include "core/url.hpp"

#include <array>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::agent {

enum class Operation : std::uint8_t { transcription, translation, speech, realtime, chat };
inline constexpr std::array k_operations{Operation::transcription, Operation::translation, Operation::speech,
                                         Operation::realtime, Operation::chat};
std::string_view operation_name(Operation operation); // "transcription"

enum class ProviderKind : std::uint8_t { openai, google, aws };
std::string_view kind_name(ProviderKind kind);

// Money in US dollars. A price of 0 is "not billed by us"; usage is counted all the same.
struct Price {
    double speech_per_1k_characters = 0;
    double transcription_per_minute = 0;
    double realtime_per_minute = 0;
    double chat_per_1k_tokens = 0;
    bool operator==(const Price&) const = default;
};

inline constexpr std::size_t k_max_providers = 16;
inline constexpr int k_max_weight = 1000;

struct ProviderConfig {
    std::string name;
    ProviderKind kind = ProviderKind::openai;
    bool enabled = true;
    int weight = 1;                             // 0..k_max_weight; 0 takes traffic only as a fallback
    std::string endpoint;                       // base URL; empty: the provider's own
    std::map<std::string, std::string> regions; // region name -> base URL
    std::string region; // aws: the region; others: the key in `regions` in use, or empty
    std::map<std::string, std::string> endpoints; // by service where a provider has several: google stt, tts;
                                                  // aws polly, transcribe, transcribe_streaming
    std::string key, access_key, secret_key;      // resolved values; never printed
    Duration timeout{120'000};                    // whole exchange
    Duration first_byte_timeout{30'000};          // from the request's last byte to the answer's first
    std::uint32_t max_connections = 100;
    std::uint32_t max_concurrent = 500;
    std::map<Operation, std::string>
        models;                 // the provider's model for an operation, unless the client's is kept
    bool rewrite_model = false; // true: the client's model is replaced by models[operation]
    std::string default_language = "en-US";    // for providers that demand one
    std::map<std::string, std::string> voices; // OpenAI voice -> the provider's voice
    std::set<Operation> operations;            // empty: all that its kind supports
    Price price;
    std::string ca_file;        // extra trust anchor for its TLS
    bool insecure = false;      // plain http to other hosts than this one is allowed
    Duration realtime_drain{0}; // once it is disabled, realtime sessions end after this; 0: by themselves
    bool operator==(const ProviderConfig&) const = default;
};

struct TlsFiles { // of a listener; no certificate: plain
    fs::path certificate, key;
    fs::path client_ca; // set: only clients with a certificate of this authority are served
    bool on() const { return !certificate.empty(); }
};

struct ListenConfig {
    HostPort data{"127.0.0.1", 8080};
    HostPort admin{"127.0.0.1", 9091};
    TlsFiles data_tls, admin_tls;
};

struct ServerConfig {
    unsigned threads = 0;                // 0: one a core
    std::uint64_t max_body = 26U << 20U; // the largest accepted upload, in bytes
    std::uint64_t max_header = 16384;
    Duration header_timeout{10'000};    // a whole request head must arrive in this time
    Duration body_idle_timeout{30'000}; // between two pieces of a body
    Duration keepalive_timeout{75'000};
    Duration request_timeout{300'000};        // the client's deadline over all attempts
    Duration drain_timeout{30'000};           // on SIGTERM
    std::uint64_t replay_limit = 1U << 20U;   // bodies up to this size are kept for another attempt
    std::uint64_t replay_budget = 24U << 20U; // for all requests in flight together
    std::uint64_t max_json_body = 1U << 20U;
};

struct PoolConfig {
    Duration max_idle{900'000};
    Duration connect_timeout{5'000};
    Duration max_age{3'600'000};
    Duration realtime_drain{0}; // after a reset, older realtime sessions end after this; 0: by themselves
};

struct CacheConfig {
    bool enabled = true;
    std::string store = "memory"; // or "redis": behind the memory, shared by the replicas
    std::uint64_t max_bytes = 256U << 20U;
    std::uint64_t max_entry_bytes = 8U << 20U;
    Duration ttl_transcription{1'800'000};
    Duration ttl_speech{3'600'000};
};

struct LimitsConfig {
    Rate per_key{}; // default for keys without their own
    Rate global{};
    double retry_budget = 0.2;
    Rate retry_floor{100, Duration{10'000}};
    std::uint32_t replicas = 0;  // 0: counted from the control store's heartbeats
    std::string store = "local"; // or "redis": one count for all replicas
};

struct RedisConfig { // what the replicas share; never the control state
    bool on = false;
    redis::Settings settings; // the secrets in it are resolved values; never printed
    Duration deadline{50};    // a request waits for it no longer than this
};

struct HealthConfig {
    Duration probe_interval{15'000};
    Duration probe_timeout{5'000};
    std::uint32_t breaker_failures = 5;
    Duration breaker_open_min{1'000};
    Duration breaker_open_max{60'000};
};

struct SafetyConfig {
    bool enabled = false;
    fs::path rules;
    bool emergency = false;
    std::string moderation_url; // optional OpenAI-compatible moderation endpoint
    std::string moderation_key; // its credential
    Duration moderation_timeout{2'000};
    bool moderation_required = true; // refuse when it cannot be asked
};

struct StoreConfig {
    std::string store = "sqlite";         // or "configmap": of the cluster that the agent runs in
    fs::path path;                        // of the database; beside it lies the last known state
    std::string name = "conduit-control"; // of the ConfigMap
    std::string name_space;               // empty: the agent's own
    fs::path kubeconfig;                  // empty: the account of the pod
};

struct RecordsConfig {
    std::string store = "sqlite"; // or "none"
    fs::path path;
    fs::path spool; // empty: beside path
    std::uint64_t spool_bytes = 256U << 20U;
    Duration flush_interval{250}; // with the disk's own time well below the second that may be lost
    std::uint32_t keep_days = 90;
};

struct Config {
    fs::path file;
    std::string sha256; // of the file's bytes
    std::string name;   // the replica's name; empty: host name and pid
    ListenConfig listen;
    ServerConfig server;
    fs::path admin_tokens;                 // empty: the admin API is off
    std::vector<ProviderConfig> providers; // in file order
    PoolConfig pool;
    CacheConfig cache;
    LimitsConfig limits;
    RedisConfig redis;
    HealthConfig health;
    SafetyConfig safety;
    StoreConfig control;
    RecordsConfig records;
    fs::path keys_file; // empty: no client needs a key (only allowed when listening on loopback)
    std::vector<fs::path> secret_files; // read for it; when one changes the configuration is read again
};

const ProviderConfig* find_provider(const Config& config, std::string_view name);
ProviderConfig* find_provider(Config& config, std::string_view name);

// Whole configuration for people to read; secrets become {"fingerprint": …}.
Json config_json(const Config& config);
Json provider_json(const ProviderConfig& provider);

// Names that may be a segment of a control path: letters, digits and ._:@- up to 128, no slash.
bool is_path_name(std::string_view name);
bool is_loopback(std::string_view host);
// An endpoint that may be called: an http or https URL without a query, http only to this host unless
// insecure.
Result<> check_endpoint(std::string_view url, bool insecure);

// All faults of the file, each with file:line and the nearest known key; never only the first.
std::expected<Config, std::vector<Error>> parse_config(std::string_view yaml, const fs::path& file);
std::expected<Config, std::vector<Error>> load_config(const fs::path& file);

} // namespace conduit::agent
