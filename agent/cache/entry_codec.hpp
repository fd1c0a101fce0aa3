// SPDX-License-Identifier: Apache-2.0
// A cached answer as the value of a Redis key: a versioned head and the body, under a digest of both and the
// key. What is foreign, torn, of another version or under another key is no entry.
#pragma once

#include "agent/cache/cache.hpp"
#include "core/clock.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace conduit::agent {

struct SharedEntry {
    CachedAnswer answer;
    std::uint64_t mark = 0; // the newest clear that its maker knew, see clear_history.hpp
    WallTime expires{};     // on its maker's clock
};

std::string encode_entry(std::string_view key, const CachedAnswer& answer, std::uint64_t mark,
                         WallTime expires);
// Of the first k_entry_head bytes of a value: its mark. Not proven, for that takes the whole.
inline constexpr std::size_t k_entry_head = 29;
std::optional<std::uint64_t> entry_mark(std::string_view head);
std::optional<SharedEntry> decode_entry(std::string_view key, std::string_view value);

} // namespace conduit::agent
