// SPDX-License-Identifier: Apache-2.0
// The families that are counted per request, as data. Names are those of the operators' alert rules.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace conduit::agent {

enum class Family : std::uint8_t {
    operations,
    operations_failed,
    request_duration,
    provider_latency,
    provider_response_time,
    attempts_failed,
    cache_hits,
    cache_requests,
    conduit_cache_hits,
    rate_limited,
    tts_requests,
    tts_duration,
    tts_cost,
    tts_characters,
    safety_checks,
    safety_violations,
    validation_checks,
    errors,
    llm_requests,
    audio_seconds,
    cost,
    count_
};
inline constexpr auto k_families = static_cast<std::size_t>(Family::count_);

struct FamilyInfo {
    std::string_view name, help, type;
    std::vector<std::string_view> labels;
};
const FamilyInfo& family_info(Family family);
std::span<const double> seconds_bounds(); // of every histogram

} // namespace conduit::agent
