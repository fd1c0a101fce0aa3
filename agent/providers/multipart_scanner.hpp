// SPDX-License-Identifier: Apache-2.0
// The tokens of a multipart/form-data body, found piece by piece: what the reader and the rewriter share.
#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace conduit::agent {

inline constexpr std::size_t k_max_parts = 64;
inline constexpr std::size_t k_max_part_headers = 8192;
inline constexpr std::size_t k_max_field_text = 1U << 20U;

struct PartHead {
    std::string raw; // the header block as received, closing blank line included
    std::string name;
    std::string filename;
    std::string content_type;
    bool has_filename = false;
};
Result<PartHead> parse_part_head(std::string raw);

class PartSink {
  public:
    virtual ~PartSink() = default;
    virtual Result<> on_part(const PartHead& head) = 0;
    virtual Result<> on_data(std::string_view bytes) = 0; // views into the piece or into the scanner
    virtual Result<> on_part_end() = 0;
    virtual Result<> on_end() = 0;
};

class MultipartScanner {
  public:
    explicit MultipartScanner(std::string_view boundary) : delimiter_("\r\n--" + std::string(boundary)) {}
    Result<> feed(std::string_view piece, PartSink& sink); // after an error: only errors
    bool complete() const { return state_ == State::epilogue; }
    std::string_view delimiter() const { return delimiter_; } // "\r\n--boundary"

  private:
    enum class State : std::uint8_t { preamble, delimiter_end, headers, data, epilogue, broken };
    Result<> step(std::string_view& piece, PartSink& sink);
    Result<> data_bytes(std::string_view& piece, PartSink& sink);
    Result<> delimiter_end(std::string_view& piece, PartSink& sink);
    Result<> header_bytes(std::string_view& piece, PartSink& sink);
    Result<> emit(std::string_view bytes, PartSink& sink);
    Result<> delimiter_found(PartSink& sink);

    std::string delimiter_;
    State state_ = State::preamble;
    // How many bytes of the delimiter the data so far ends with. A body may begin with the delimiter without
    // its line break, so one is taken as seen. The held bytes need no copy: they equal the delimiter's.
    std::size_t held_ = 2;
    std::string line_; // a delimiter's end, or a header block, in the making
    std::size_t parts_ = 0;
};

} // namespace conduit::agent
