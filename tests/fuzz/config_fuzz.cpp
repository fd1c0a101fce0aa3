// SPDX-License-Identifier: Apache-2.0
// The configuration reader must name faults, never crash, whatever stands in the file.
#include "agent/config/config.hpp"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    // What an attacker writes into a file may name files to read; here it must not reach any.
    if (text.find("file:") == std::string_view::npos)
        (void)conduit::agent::parse_config(text, "agent.yaml").has_value();
    return 0;
}
