// SPDX-License-Identifier: Apache-2.0
// What is known about each provider's health, shared by all threads without a lock on the request path.
#pragma once

#include "agent/config/config.hpp"
#include "core/clock.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace conduit::agent {

// How an upstream answer is classed (provider_wire_formats, section 11).
enum class Outcome : std::uint8_t {
    ok,
    client_error, // the request's own fault: no retry, no health effect
    unsupported,  // this provider cannot do it (format, size, voice): next provider, silently
    credential,   // our credential is refused: next provider, provider marked
    quota,        // out of credit: next provider, taken out for minutes
    throttled,    // next provider at once; cool-down for Retry-After
    transient, // 5xx, connect, reset or timeout before the first byte: next provider, counts for the circuit
    broken,    // failed after the first byte: counts for the circuit, cannot be repeated
    cancelled, // the client went away: no effect
};
std::string_view outcome_name(Outcome outcome);

enum class CircuitState : std::uint8_t { closed, open, half_open };
std::string_view circuit_name(CircuitState state);

// Opens after N failures in a row; after an exponential pause with jitter lets one request through
// (half-open).
class CircuitBreaker {
  public:
    // May a request be sent now? In half-open state only one caller gets true until its outcome is reported.
    bool allow(SteadyTime now);
    bool would_allow(SteadyTime now) const;
    void on_success();
    void on_failure(SteadyTime now, const HealthConfig& config);
    void on_neutral(); // the half-open trial ended without a verdict
    void reset();
    CircuitState state(SteadyTime now) const;
    std::uint32_t failures_in_a_row() const { return failures_.load(std::memory_order_relaxed); }
    Duration opens_in(SteadyTime now) const; // until the next trial; 0 when closed

  private:
    std::atomic<std::uint32_t> failures_{0};
    std::atomic<std::uint32_t> opened_times_{0};
    std::atomic<std::int64_t> open_until_ns_{0}; // 0: closed
    std::atomic<bool> trial_{false};
    std::atomic<std::int64_t> trial_since_ns_{0};
};

struct ProviderHealth {
    CircuitBreaker breaker;
    std::atomic<std::uint32_t> score_milli{
        1000}; // 0..1000, an exponential average of outcomes, passive and active
    std::atomic<std::int64_t> cooldown_until_ns{0}; // throttled or out of quota
    std::atomic<bool> auth_failed{false};
    std::atomic<std::uint32_t> in_flight{0}; // realtime sessions included
    std::atomic<std::uint32_t> realtime{0};
    std::atomic<std::uint64_t> realtime_closed{0}; // sessions we ended with 1001
    std::atomic<std::int64_t> last_probe_ms{0};    // wall clock; 0: never
    std::atomic<std::uint32_t> last_probe_us{0};   // how long it took
    std::atomic<bool> last_probe_ok{true};
    std::atomic<std::int64_t> quota_limit{-1}, quota_remaining{-1}; // from x-ratelimit headers; -1: not known
    std::atomic<std::uint64_t> outcomes[9]{};                       // by Outcome
    double score() const { return score_milli.load(std::memory_order_relaxed) / 1000.0; }
    bool available(SteadyTime now) const; // breaker would allow, no cool-down, credential good
};

class HealthBoard {
  public:
    // The entry of a provider name; created on first use, never freed, at most k_max_providers * 4.
    ProviderHealth& of(const std::string& name);
    void report(ProviderHealth& health, Outcome outcome, SteadyTime now, const HealthConfig& config,
                Duration retry_after = Duration{0});
    void report_probe(ProviderHealth& health, bool ok, Duration took, WallTime when,
                      const HealthConfig& config);
    std::string last_error(const std::string& name) const; // "HTTP 503: The engine is currently overloaded"
    void note_error(const std::string& name, std::string text);

  private:
    mutable std::mutex mutex_; // names and texts only; references handed out stay valid
    std::vector<std::pair<std::string, std::unique_ptr<ProviderHealth>>> entries_;
    std::vector<std::pair<std::string, std::string>> errors_;
};

} // namespace conduit::agent
