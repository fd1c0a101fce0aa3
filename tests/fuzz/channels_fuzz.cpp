// SPDX-License-Identifier: Apache-2.0
// Messages of a hostile API server on the channels of exec and port-forward.
#include "core/kube/channels.hpp"

#include <cstdint>
#include <cstdlib>

using namespace conduit;
using namespace conduit::kube;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (const auto frame = parse_exec_frame(bytes); frame && *frame && (*frame)->bytes.size() >= size)
        std::abort();
    if (const auto end = parse_exec_status(bytes); end && (end->code < 0 || end->code > 255))
        std::abort();
    // Cut anywhere, the port's data is the same.
    PortFrames whole(80), cut(80);
    if (size < 2)
        return 0;
    const auto once = whole.feed(bytes);
    const std::size_t half = 1 + (data[size - 1] % (size - 1));
    const auto first = cut.feed(bytes.substr(0, half));
    if (!first) {
        if (once)
            std::abort();
        return 0;
    }
    std::string joined(*first);
    const auto rest =
        std::string(1, bytes.front()) + std::string(bytes.substr(half)); // what is fed is viewed
    const auto second = cut.feed(rest);
    if (second.has_value() != once.has_value())
        std::abort();
    if (second)
        joined += *second;
    if (once && joined != *once)
        std::abort();
    return 0;
}
