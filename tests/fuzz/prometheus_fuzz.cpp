// SPDX-License-Identifier: Apache-2.0
// What was read of Prometheus' text format reads the same when it is written again.
#include "core/prometheus_text.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto samples = conduit::parse_prometheus_text(text);
    if (!samples)
        return 0;
    for (const auto& sample : *samples) {
        const auto again = conduit::parse_prometheus_text(sample.series() + " 1\n");
        if (!again || again->size() != 1 || again->front().labels != sample.labels)
            std::abort();
    }
    return 0;
}
