// SPDX-License-Identifier: Apache-2.0
// AWS event-stream frames (application/vnd.amazon.eventstream): encoding, and decoding of untrusted bytes.
#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace conduit {

enum class EventType : std::uint8_t {
    yes = 0,
    no = 1,
    int8 = 2,
    int16 = 3,
    int32 = 4,
    int64 = 5,
    bytes = 6,
    text = 7,
    timestamp = 8, // milliseconds since 1970
    uuid = 9,      // 16 raw bytes
};

struct EventHeader {
    std::string name; // at most 255 bytes
    EventType type = EventType::text;
    std::string value;       // bytes, text, uuid; at most 65535 bytes, longer is cut
    std::int64_t number = 0; // the integers and timestamp
    bool operator==(const EventHeader&) const = default;
};

struct EventMessage {
    std::vector<EventHeader> headers;
    std::string payload;
    const EventHeader* find(std::string_view name) const;
    std::string_view text(std::string_view name) const; // "" when absent or of another type
};

std::string encode_event_headers(std::span<const EventHeader> headers);
std::string encode_event(std::span<const EventHeader> headers, std::string_view payload);
// An ":message-type"=event message, as both directions of Transcribe use them.
std::string encode_event(std::string_view event_type, std::string_view content_type,
                         std::string_view payload);

struct EventLimits {
    std::size_t max_headers = 128U << 10U;
    std::size_t max_payload = 16U << 20U;
};

// Bytes in as they come, messages out. After an error the stream has no further meaning: the error stays.
class EventDecoder {
  public:
    explicit EventDecoder(EventLimits limits = {}) : limits_(limits) {}
    void feed(std::string_view bytes);
    Result<std::optional<EventMessage>> next(); // nullopt: more bytes are needed
    std::size_t buffered() const { return buffer_.size() - used_; }

  private:
    Result<std::size_t> check_prelude(std::string_view bytes) const; // the message's whole length
    Result<std::optional<EventMessage>> take();

    EventLimits limits_;
    std::string buffer_;
    std::size_t used_ = 0;
    std::optional<Error> broken_;
};

std::uint32_t crc32(std::string_view bytes, std::uint32_t before = 0); // zlib's polynomial

} // namespace conduit
