// SPDX-License-Identifier: Apache-2.0
// Writing and reading integers of either byte order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace conduit::sim {

inline void put_le(std::string& out, std::uint64_t value, std::size_t bytes)
{
    for (std::size_t i = 0; i < bytes; ++i)
        out += static_cast<char>((value >> (8 * i)) & 0xffU);
}

inline void put_be(std::string& out, std::uint64_t value, std::size_t bytes)
{
    for (std::size_t i = bytes; i-- > 0;)
        out += static_cast<char>((value >> (8 * i)) & 0xffU);
}

// 0 beyond the end.
inline std::uint64_t get_le(std::string_view bytes, std::size_t at, std::size_t count)
{
    std::uint64_t value = 0;
    for (std::size_t i = count; i-- > 0;)
        value = (value << 8U) | (at + i < bytes.size() ? static_cast<std::uint8_t>(bytes[at + i]) : 0U);
    return value;
}

inline std::uint64_t get_be(std::string_view bytes, std::size_t at, std::size_t count)
{
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i)
        value = (value << 8U) | (at + i < bytes.size() ? static_cast<std::uint8_t>(bytes[at + i]) : 0U);
    return value;
}

// substr that is empty beyond the end.
inline std::string_view part(std::string_view bytes, std::size_t at, std::size_t count)
{
    return at < bytes.size() ? bytes.substr(at, count) : std::string_view{};
}

} // namespace conduit::sim
