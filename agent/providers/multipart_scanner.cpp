// SPDX-License-Identifier: Apache-2.0
#include "agent/providers/multipart_scanner.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace conduit::agent {
namespace {

constexpr std::size_t k_max_padding = 64;
constexpr std::size_t k_few_starts = 8;
constexpr std::size_t k_bytes_per_start = 64;

std::unexpected<Error> malformed(std::string why)
{
    return fail(ErrorKind::usage, "malformed multipart body: " + std::move(why),
                "Send the request as multipart/form-data, as curl -F or an OpenAI client does.");
}

// The place of the delimiter, which begins with CR. Audio holds few of them and memchr passes the rest at the
// speed of memory; a body that is full of them (text, or one made to slow us) is left to memmem, which needs
// the same for any.
std::size_t find_delimiter(std::string_view piece, std::string_view delimiter)
{
    const char* at = piece.data();
    const char* const end = at + piece.size();
    for (std::size_t starts = k_few_starts + piece.size() / k_bytes_per_start; starts > 0; --starts) {
        at = static_cast<const char*>(std::memchr(at, '\r', static_cast<std::size_t>(end - at)));
        if (at == nullptr || static_cast<std::size_t>(end - at) < delimiter.size())
            return std::string_view::npos;
        if (std::memcmp(at, delimiter.data(), delimiter.size()) == 0)
            return static_cast<std::size_t>(at - piece.data());
        ++at;
    }
    const void* hit = ::memmem(at, static_cast<std::size_t>(end - at), delimiter.data(), delimiter.size());
    return hit == nullptr ? std::string_view::npos
                          : static_cast<std::size_t>(static_cast<const char*>(hit) - piece.data());
}

} // namespace

Result<> MultipartScanner::feed(std::string_view piece, PartSink& sink)
{
    if (state_ == State::broken)
        return malformed("it was refused before");
    while (!piece.empty() && state_ != State::epilogue) {
        if (auto done = step(piece, sink); !done) {
            state_ = State::broken;
            return done;
        }
    }
    return {};
}

Result<> MultipartScanner::step(std::string_view& piece, PartSink& sink)
{
    switch (state_) {
    case State::preamble:
    case State::data:
        return data_bytes(piece, sink);
    case State::delimiter_end:
        return delimiter_end(piece, sink);
    case State::headers:
        return header_bytes(piece, sink);
    case State::epilogue:
    case State::broken:
        break;
    }
    piece = {};
    return {};
}

Result<> MultipartScanner::emit(std::string_view bytes, PartSink& sink)
{
    if (state_ == State::preamble || bytes.empty())
        return {};
    return sink.on_data(bytes);
}

// A carriage return stands in the delimiter at its first place only: after a mismatch none of the bytes held
// can begin another match, and in a tail only the last one can begin a partial match.
Result<> MultipartScanner::data_bytes(std::string_view& piece, PartSink& sink)
{
    if (held_ > 0) {
        std::size_t i = 0;
        while (i < piece.size() && held_ < delimiter_.size() && piece[i] == delimiter_[held_]) {
            ++i;
            ++held_;
        }
        piece.remove_prefix(i);
        if (held_ == delimiter_.size())
            return delimiter_found(sink);
        if (piece.empty())
            return {};
        const auto passed = std::string_view(delimiter_).substr(0, held_);
        held_ = 0;
        TRY(emit(passed, sink));
    }
    if (const auto at = find_delimiter(piece, delimiter_); at != std::string_view::npos) {
        TRY(emit(piece.substr(0, at), sink));
        piece.remove_prefix(at + delimiter_.size());
        return delimiter_found(sink);
    }
    const auto tail = piece.substr(piece.size() - std::min(piece.size(), delimiter_.size() - 1));
    const auto cr = tail.rfind('\r');
    if (cr != std::string_view::npos && delimiter_.starts_with(tail.substr(cr)))
        held_ = tail.size() - cr;
    TRY(emit(piece.substr(0, piece.size() - held_), sink));
    piece = {};
    return {};
}

Result<> MultipartScanner::delimiter_found(PartSink& sink)
{
    const bool in_part = state_ == State::data;
    held_ = 0;
    line_.clear();
    state_ = State::delimiter_end;
    return in_part ? sink.on_part_end() : Result<>{};
}

// After the boundary: "--" ends the body, blanks and a line break begin a part.
Result<> MultipartScanner::delimiter_end(std::string_view& piece, PartSink& sink)
{
    line_ += piece.front();
    piece.remove_prefix(1);
    if (line_ == "--") {
        state_ = State::epilogue;
        return sink.on_end();
    }
    if (line_ == "-")
        return {};
    if (line_.ends_with('\n')) {
        if (!line_.ends_with("\r\n"))
            return malformed("lines must end with CR LF, not LF alone");
        if (++parts_ > k_max_parts)
            return malformed(fmt::format("more than {} parts", k_max_parts));
        line_.clear();
        state_ = State::headers;
        return {};
    }
    const bool after_cr = line_.size() > 1 && line_[line_.size() - 2] == '\r';
    const char c = line_.back();
    if (after_cr || (c != ' ' && c != '\t' && c != '\r') || line_.size() > k_max_padding)
        return malformed("unexpected bytes after a boundary");
    return {};
}

Result<> MultipartScanner::header_bytes(std::string_view& piece, PartSink& sink)
{
    const auto newline = piece.find('\n');
    const auto take = newline == std::string_view::npos ? piece.size() : newline + 1;
    line_ += piece.substr(0, std::min(take, k_max_part_headers + 1));
    piece.remove_prefix(take);
    if (line_.size() > k_max_part_headers)
        return malformed(fmt::format("a part's headers are larger than {} bytes", k_max_part_headers));
    if (newline == std::string_view::npos)
        return {};
    if (!line_.ends_with("\r\n"))
        return malformed("header lines must end with CR LF, not LF alone");
    if (line_ != "\r\n" && !line_.ends_with("\r\n\r\n"))
        return {};
    TRY_ASSIGN(const auto head, parse_part_head(std::exchange(line_, {})));
    state_ = State::data;
    return sink.on_part(head);
}

} // namespace conduit::agent
