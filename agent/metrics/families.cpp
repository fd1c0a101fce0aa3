// SPDX-License-Identifier: Apache-2.0
#include "agent/metrics/families.hpp"

#include <cstdint>

namespace conduit::agent {

const FamilyInfo& family_info(Family family)
{
    // tts_cost_total_usd is a counter whose name, given by the operators' alerts, does not end in _total:
    // untyped.
    static const std::array<FamilyInfo, k_families> families{{
        {"audio_operations_total",
         "Finished client requests.",
         "counter",
         {"operation", "provider", "status"}},
        {"audio_operations_failed_total",
         "Requests that failed through the service's fault.",
         "counter",
         {"operation", "provider"}},
        {"audio_request_duration_seconds",
         "From the first byte in to the last byte out.",
         "histogram",
         {"operation_type", "provider"}},
        {"audio_provider_latency_seconds",
         "Time to the first byte of a provider's answer.",
         "histogram",
         {"provider"}},
        {"conduit_provider_response_time_seconds",
         "Time spent waiting for the provider.",
         "histogram",
         {"provider"}},
        {"conduit_provider_attempts_failed_total",
         "Attempts that failed, retried ones included.",
         "counter",
         {"provider", "outcome"}},
        {"audio_cache_hits_total", "Requests answered from the cache.", "counter", {}},
        {"audio_cache_requests_total", "Requests that looked in the cache.", "counter", {}},
        {"conduit_cache_hits_total",
         "Requests answered from the cache, by operation.",
         "counter",
         {"operation"}},
        {"audio_rate_limit_exceeded_total", "Requests refused by a limit.", "counter", {"reason"}},
        {"tts_requests_total",
         "Speech requests.",
         "counter",
         {"provider", "voice_id", "language", "status", "cached"}},
        {"tts_processing_duration_seconds",
         "Duration of speech requests.",
         "histogram",
         {"provider", "voice_id", "model"}},
        {"tts_cost_total_usd", "Cost of speech requests in US dollars.", "untyped", {"provider", "model"}},
        {"tts_characters_processed_total",
         "Characters spoken.",
         "counter",
         {"provider", "language", "content_type"}},
        {"audio_safety_checks_total",
         "Content checks.",
         "counter",
         {"check_type", "result", "child_age_group"}},
        {"audio_safety_violations_total",
         "Content that broke a rule.",
         "counter",
         {"violation_type", "severity", "action_taken"}},
        {"audio_validation_checks_total", "Uploads examined.", "counter", {"format", "result", "error_type"}},
        {"audio_errors_total",
         "Errors answered to clients.",
         "counter",
         {"error_type", "component", "severity"}},
        {"conduit_llm_requests_total", "All requests by result.", "counter", {"status"}},
        {"conduit_audio_seconds_total",
         "Audio transcribed or spoken, measured.",
         "counter",
         {"operation", "provider"}},
        {"conduit_cost_dollars_total",
         "Cost of all requests in US dollars.",
         "counter",
         {"operation", "provider"}},
    }};
    return families[static_cast<std::size_t>(family)];
}

std::span<const double> seconds_bounds()
{
    static constexpr std::array bounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.2,  0.3,  0.5,  0.75, 1.0,
                                       1.5,   2.0,  3.0,   5.0,  7.5, 10.0, 15.0, 30.0, 60.0, 120.0};
    return bounds;
}

} // namespace conduit::agent
