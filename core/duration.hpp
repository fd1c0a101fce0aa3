// SPDX-License-Identifier: Apache-2.0
// Durations ("250ms", "90s", "15m", "2h", "1h30m", "7d"), sizes ("512Mi", "2Gi", "64k") and rates ("1000/h").
#pragma once

#include "core/result.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace conduit {

using Duration = std::chrono::milliseconds;
using namespace std::chrono_literals;

Result<Duration> parse_duration(std::string_view text); // usage error; a unit is required, except for "0"
std::string format_duration(Duration value);            // exact and parseable: "1h30m", "250ms", "0s"
std::string human_duration(Duration value);             // for screens: "2 h", "41 s", "1 h 30 m", "0.41 s"

Result<std::uint64_t> parse_bytes(std::string_view text); // "512Mi" (1024), "64k"/"64K" (1000), "100"
std::string format_bytes(std::uint64_t value);            // largest exact binary unit: "1Gi", "1500"
std::string human_bytes(std::uint64_t value);             // "1.4 GiB"

// count events per window; count 0 means "no limit".
struct Rate {
    std::uint64_t count = 0;
    Duration window{1000};
    bool operator==(const Rate&) const = default;
    double per_second() const;
};
Result<Rate> parse_rate(std::string_view text); // "1000/h", "100/10s", "5/s", "0"
std::string format_rate(const Rate& rate);

Result<double> parse_ratio(std::string_view text); // "20%" or "0.2" -> 0.2

} // namespace conduit
