// SPDX-License-Identifier: Apache-2.0
// Whatever a Secret or a server holds: certificates are read, or are said to be none.
#include "core/certificate.hpp"
#include "core/hash.hpp"
#include "core/text.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    const auto pem =
        "-----BEGIN CERTIFICATE-----\n" + conduit::base64_encode(bytes) + "\n-----END CERTIFICATE-----\n";
    for (const auto& text : {bytes, pem})
        if (const auto chain = conduit::read_certificates(text)) {
            if (chain->empty() || chain->front().sha256.size() != 64)
                std::abort();
            (void)conduit::names_host(chain->front(), "api.example");
        }
    (void)conduit::public_key_of(bytes).has_value();
    return 0;
}
