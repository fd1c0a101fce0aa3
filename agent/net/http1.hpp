// SPDX-License-Identifier: Apache-2.0
// HTTP/1.x heads and chunked bodies, read by Beast's basic_parser into small structs of ours. The views point
// into the bytes that were fed: keep those in place while the head is in use.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::agent {

struct HttpField {
    std::string_view name, value;
};

struct HttpHead {
    std::string_view method; // request
    std::string_view target;
    int status = 0;   // answer
    int version = 11; // 10 or 11
    std::vector<HttpField> fields;
    std::optional<std::uint64_t> content_length;
    bool chunked = false;
    bool keep_alive = true;
    bool upgrade = false;
    std::string_view find(std::string_view name) const; // the first one, "" when absent
    std::size_t count(std::string_view name) const;
};

enum class HttpFault : std::uint8_t { none, malformed, head_too_large, conflicting_length };

class HttpParser {
  public:
    enum class Kind : std::uint8_t { request, response };
    HttpParser(Kind kind, std::size_t head_limit);
    ~HttpParser();
    // Forgets everything: the next bytes are a new head. bodyless: the answer to a HEAD request.
    void reset(bool bodyless = false);
    // Reads a head from the start of `bytes`; consumed bytes, 0 while it is incomplete (feed it whole again,
    // longer), nothing when it is broken (see fault()).
    std::optional<std::size_t> read_head(std::string_view bytes);
    // After a chunked head: appends the body's pieces as views into `bytes`; consumed bytes.
    std::optional<std::size_t> read_chunked(std::string_view bytes, std::vector<std::string_view>& pieces);
    bool body_done() const; // of a chunked body
    const HttpHead& head() const;
    HttpFault fault() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace conduit::agent
