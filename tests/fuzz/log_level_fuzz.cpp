// SPDX-License-Identifier: Apache-2.0
// A line's level is read from its front: what stands far behind cannot change it.
#include "cli/orchestrator/log_level.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string line(reinterpret_cast<const char*>(data), size);
    const auto level = conduit::level_of(line);
    if (size >= 4096 && conduit::level_of(line + " ERROR") != level)
        std::abort();
    conduit::LevelFilter filter(conduit::LogLevel::warning);
    for (std::size_t from = 0; from < line.size();) {
        const auto end = std::min(line.find('\n', from), line.size());
        (void)filter.keeps(std::string_view(line).substr(from, end - from));
        from = end + 1;
    }
    return 0;
}
