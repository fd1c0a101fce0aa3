// SPDX-License-Identifier: Apache-2.0
// Texts of settings come from a cluster: whatever they hold, they are checked, edited and hidden without a
// crash.
#include "cli/config/documents.hpp"
#include "cli/config/masking.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace conduit;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const auto* name : {"a.yaml", "a.json", "a.env", "a.properties", "redis.conf"}) {
        (void)check_document(name, text).has_value();
        (void)document_value(name, text, "a.b").has_value();
        (void)edit_document(name, text, "a.b", 1).has_value();
        (void)edit_document(name, text, "a", Json()).has_value();
        (void)masked(name, text);
    }
    return 0;
}
