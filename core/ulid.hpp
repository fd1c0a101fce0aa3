// SPDX-License-Identifier: Apache-2.0
// ULIDs (ulid spec): 48 bits of milliseconds and 80 random bits, Crockford base32, 26 characters, sortable.
#pragma once

#include "core/clock.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace conduit {

std::string make_ulid(WallTime now);
bool is_ulid(std::string_view text);

// For one thread that makes many: asks the system's generator once for 64 of them.
class UlidSource {
  public:
    std::string next(WallTime now);

  private:
    std::array<std::uint8_t, 1024> random_{};
    std::size_t used_ = sizeof random_;
};

} // namespace conduit
