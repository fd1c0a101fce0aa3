// SPDX-License-Identifier: Apache-2.0
// Bytes of whatever listens where Redis was expected.
#include "core/redis/reply.hpp"
#include "core/redis/settings.hpp"

#include <cstdint>
#include <cstdlib>

using namespace conduit;

namespace {

std::size_t count(std::string_view bytes, std::size_t step, bool& failed)
{
    redis::ReplyReader reader({.max_string = 4096, .max_items = 512, .max_bytes = 1U << 16U});
    std::size_t replies = 0;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        reader.feed(bytes.substr(at, step));
        for (;;) {
            const auto reply = reader.next();
            failed = !reply;
            if (!reply)
                return replies;
            if (!*reply)
                break;
            ++replies;
        }
    }
    return replies;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size < 1)
        return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    bool failed = false, failed_whole = false;
    const auto pieces = count(bytes, 1U + data[0] % 64U, failed);
    const auto whole = count(bytes, bytes.size() + 1, failed_whole);
    if (pieces != whole || failed != failed_whole) // how the bytes were cut must not matter
        std::abort();
    (void)redis::parse_url(bytes).has_value();
    (void)redis::parse_address(bytes).has_value();
    return 0;
}
