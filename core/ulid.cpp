// SPDX-License-Identifier: Apache-2.0
#include "core/ulid.hpp"

#include "core/hash.hpp"

#include <algorithm>

namespace conduit {
namespace {
constexpr std::string_view k_alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
}

std::string make_ulid(WallTime now)
{
    std::string id(26, '0');
    auto ms = static_cast<std::uint64_t>(now.time_since_epoch().count());
    for (std::size_t i = 10; i-- > 0; ms >>= 5U)
        id[i] = k_alphabet[ms & 31U];
    std::array<std::uint8_t, 16> random{};
    random_bytes(random.data(), random.size());
    for (std::size_t i = 0; i < random.size(); ++i)
        id[10 + i] = k_alphabet[random[i] & 31U];
    return id;
}

bool is_ulid(std::string_view text)
{
    return text.size() == 26 && text[0] <= '7' &&
           std::ranges::all_of(text, [](char c) { return k_alphabet.contains(c); });
}

} // namespace conduit
