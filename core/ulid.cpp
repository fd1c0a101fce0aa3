// SPDX-License-Identifier: Apache-2.0
#include "core/ulid.hpp"

#include "core/hash.hpp"

#include <algorithm>

namespace conduit {
namespace {
constexpr std::string_view k_alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t k_random = 16; // characters of 5 random bits each

std::string with_random(WallTime now, const std::uint8_t* random)
{
    std::string id(26, '0');
    auto ms = static_cast<std::uint64_t>(now.time_since_epoch().count());
    for (std::size_t i = 10; i-- > 0; ms >>= 5U)
        id[i] = k_alphabet[ms & 31U];
    for (std::size_t i = 0; i < k_random; ++i)
        id[10 + i] = k_alphabet[random[i] & 31U];
    return id;
}
} // namespace

std::string make_ulid(WallTime now)
{
    std::array<std::uint8_t, k_random> random{};
    random_bytes(random.data(), random.size());
    return with_random(now, random.data());
}

std::string UlidSource::next(WallTime now)
{
    if (used_ + k_random > random_.size()) {
        random_bytes(random_.data(), random_.size());
        used_ = 0;
    }
    const auto* random = random_.data() + used_;
    used_ += k_random;
    return with_random(now, random);
}

bool is_ulid(std::string_view text)
{
    return text.size() == 26 && text[0] <= '7' &&
           std::ranges::all_of(text, [](char c) { return k_alphabet.contains(c); });
}

} // namespace conduit
