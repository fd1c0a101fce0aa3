// SPDX-License-Identifier: Apache-2.0
// Reader of the Prometheus text exposition format 0.0.4.
#pragma once

#include "core/result.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace conduit {

struct MetricSample {
    std::string name;
    std::vector<std::pair<std::string, std::string>> labels;
    double value = 0;           // NaN and infinities as they stand
    bool counter = false;       // its family is a counter, or a histogram's or summary's bucket, sum or count
    std::string series() const; // name{a="b"}, escaped again
};

// Limits: 16 MiB, 200,000 samples, 64 labels a sample. failed with the line on anything else.
Result<std::vector<MetricSample>> parse_prometheus_text(std::string_view text);

} // namespace conduit
