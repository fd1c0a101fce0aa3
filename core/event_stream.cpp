// SPDX-License-Identifier: Apache-2.0
#include "core/event_stream.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <set>

namespace conduit {
namespace {

constexpr std::size_t k_prelude = 12; // two lengths and their CRC
constexpr std::size_t k_overhead = 16;

consteval std::array<std::uint32_t, 256> crc_table()
{
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        auto value = i;
        for (int bit = 0; bit < 8; ++bit)
            value = (value & 1U) != 0 ? 0xedb88320U ^ (value >> 1U) : value >> 1U;
        table[i] = value;
    }
    return table;
}

void put(std::string& out, std::uint64_t value, std::size_t bytes)
{
    while (bytes-- > 0)
        out += static_cast<char>((value >> (bytes * 8)) & 0xffU);
}

std::uint64_t get(std::string_view bytes, std::size_t at, std::size_t count)
{
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i)
        value = (value << 8U) | static_cast<std::uint8_t>(bytes[at + i]);
    return value;
}

std::size_t number_size(EventType type)
{
    switch (type) {
    case EventType::int8:
        return 1;
    case EventType::int16:
        return 2;
    case EventType::int32:
        return 4;
    case EventType::int64:
    case EventType::timestamp:
        return 8;
    default:
        return 0;
    }
}

std::unexpected<Error> broken(std::string_view why)
{
    return fail(ErrorKind::failed, fmt::format("broken event-stream message: {}", why));
}

// Reads one header's value at `at` and moves it behind the value.
Result<> read_value(std::string_view bytes, std::size_t& at, EventHeader& header)
{
    const auto left = bytes.size() - at;
    if (header.type == EventType::yes || header.type == EventType::no)
        return {};
    if (const auto size = number_size(header.type); size > 0) {
        if (left < size)
            return broken("a header's number is cut off");
        const auto shift = 64 - 8 * size; // sign-extends
        header.number = static_cast<std::int64_t>(get(bytes, at, size) << shift) >> shift;
        at += size;
        return {};
    }
    std::size_t length = 16;
    if (header.type != EventType::uuid) {
        if (left < 2)
            return broken("a header's length is cut off");
        length = get(bytes, at, 2);
        at += 2;
    }
    if (bytes.size() - at < length)
        return broken("a header's value is cut off");
    header.value = bytes.substr(at, length);
    at += length;
    return {};
}

Result<std::vector<EventHeader>> read_headers(std::string_view bytes)
{
    std::vector<EventHeader> headers;
    std::set<std::string, std::less<>> names;
    for (std::size_t at = 0; at < bytes.size();) {
        EventHeader header;
        const std::size_t length = static_cast<std::uint8_t>(bytes[at++]);
        if (length == 0)
            return broken("a header has no name");
        if (bytes.size() - at < length + 1)
            return broken("a header's name is cut off");
        header.name = bytes.substr(at, length);
        at += length;
        const auto type = static_cast<std::uint8_t>(bytes[at++]);
        if (type > static_cast<std::uint8_t>(EventType::uuid))
            return broken(fmt::format("header type {} does not exist", type));
        header.type = static_cast<EventType>(type);
        TRY(read_value(bytes, at, header));
        if (!names.insert(header.name).second)
            return broken("a header's name occurs twice");
        headers.push_back(std::move(header));
    }
    return headers;
}

} // namespace

std::uint32_t crc32(std::string_view bytes, std::uint32_t before)
{
    static constexpr auto k_table = crc_table();
    auto value = ~before;
    for (const char c : bytes)
        value = k_table[(value ^ static_cast<std::uint8_t>(c)) & 0xffU] ^ (value >> 8U);
    return ~value;
}

const EventHeader* EventMessage::find(std::string_view name) const
{
    const auto found = std::ranges::find(headers, name, &EventHeader::name);
    return found == headers.end() ? nullptr : &*found;
}

std::string_view EventMessage::text(std::string_view name) const
{
    const auto* header = find(name);
    return header != nullptr && header->type == EventType::text ? std::string_view(header->value) : "";
}

std::string encode_event_headers(std::span<const EventHeader> headers)
{
    std::string out;
    for (const auto& header : headers) {
        const auto name = std::string_view(header.name).substr(0, 255);
        put(out, name.size(), 1);
        out += name;
        put(out, static_cast<std::uint8_t>(header.type), 1);
        if (const auto size = number_size(header.type); size > 0) {
            put(out, static_cast<std::uint64_t>(header.number), size);
        } else if (header.type == EventType::uuid) {
            auto value = header.value;
            value.resize(16);
            out += value;
        } else if (header.type == EventType::bytes || header.type == EventType::text) {
            const auto value = std::string_view(header.value).substr(0, 0xffff);
            put(out, value.size(), 2);
            out += value;
        }
    }
    return out;
}

std::string encode_event(std::span<const EventHeader> headers, std::string_view payload)
{
    const auto encoded = encode_event_headers(headers);
    std::string out;
    out.reserve(k_overhead + encoded.size() + payload.size());
    put(out, k_overhead + encoded.size() + payload.size(), 4);
    put(out, encoded.size(), 4);
    put(out, crc32(out), 4);
    out += encoded;
    out += payload;
    put(out, crc32(out), 4);
    return out;
}

std::string encode_event(std::string_view event_type, std::string_view content_type, std::string_view payload)
{
    const EventHeader headers[] = {{":message-type", EventType::text, "event"},
                                   {":event-type", EventType::text, std::string(event_type)},
                                   {":content-type", EventType::text, std::string(content_type)}};
    return encode_event(headers, payload);
}

void EventDecoder::feed(std::string_view bytes)
{
    if (broken_)
        return;
    buffer_.erase(0, std::exchange(used_, 0));
    buffer_ += bytes;
}

Result<std::size_t> EventDecoder::check_prelude(std::string_view bytes) const
{
    if (get(bytes, 8, 4) != crc32(bytes.substr(0, 8)))
        return broken("the prelude's checksum is wrong");
    const auto total = get(bytes, 0, 4);
    const auto headers = get(bytes, 4, 4);
    if (total < k_overhead || headers > total - k_overhead)
        return broken("its lengths contradict each other");
    if (headers > limits_.max_headers)
        return broken(
            fmt::format("{} bytes of headers exceed the limit of {}", headers, limits_.max_headers));
    if (total - headers - k_overhead > limits_.max_payload)
        return broken(fmt::format("{} bytes of payload exceed the limit of {}", total - headers - k_overhead,
                                  limits_.max_payload));
    return total;
}

Result<std::optional<EventMessage>> EventDecoder::take()
{
    const auto bytes = std::string_view(buffer_).substr(used_);
    if (bytes.size() < k_prelude)
        return std::optional<EventMessage>{};
    TRY_ASSIGN(const auto total, check_prelude(bytes));
    if (bytes.size() < total)
        return std::optional<EventMessage>{};
    if (get(bytes, total - 4, 4) != crc32(bytes.substr(0, total - 4)))
        return broken("the message's checksum is wrong");
    const std::size_t headers = get(bytes, 4, 4);
    EventMessage message;
    TRY_ASSIGN(message.headers, read_headers(bytes.substr(k_prelude, headers)));
    message.payload = bytes.substr(k_prelude + headers, total - headers - k_overhead);
    used_ += total;
    return std::optional(std::move(message));
}

Result<std::optional<EventMessage>> EventDecoder::next()
{
    if (broken_)
        return *broken_;
    auto taken = take();
    if (!taken)
        broken_ = taken.error();
    return taken;
}

} // namespace conduit
