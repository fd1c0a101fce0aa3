// SPDX-License-Identifier: Apache-2.0
// What a program elsewhere is joined to: bytes and a terminal of this side.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace conduit {

struct TerminalSize {
    std::uint16_t columns = 80;
    std::uint16_t rows = 24;
    bool operator==(const TerminalSize&) const = default;
};

// out and err are called on the thread that waits for the program; false: nobody reads any more, which ends
// it.
struct RemoteIo {
    std::function<bool(std::string_view bytes)> out, err;
    int in = -1;        // is read until its end; -1: no stdin. Stays the caller's.
    bool end_in = true; // the program shall see that end; false: it knows by itself how much there is
    std::function<TerminalSize()> size; // of the terminal, where there is one; looked at again and again
};

struct RemoteEnd {
    int code = 0; // the program's own
};

} // namespace conduit
