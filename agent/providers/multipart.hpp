// SPDX-License-Identifier: Apache-2.0
// Incremental reader of multipart/form-data (RFC 7578). Finds the fields and the extent of the file part
// without copying the audio. Limits: 64 parts, 8 KiB of headers a part, 1 MiB of field text in all.
#pragma once

#include "core/result.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::agent {

// From the Content-Type header; nothing when it is not multipart/form-data with a usable boundary.
std::optional<std::string> multipart_boundary(std::string_view content_type);

struct MultipartField {
    std::string name; // a trailing "[]" is removed
    std::string value;
};

class MultipartReader {
  public:
    explicit MultipartReader(std::string_view boundary);
    ~MultipartReader();
    MultipartReader(MultipartReader&&) noexcept;
    MultipartReader& operator=(MultipartReader&&) noexcept;

    // Feeds body bytes. Pieces of the file part are appended to `audio` as views into `piece` or into a small
    // internal carry (valid until the next call). usage error: malformed, too many parts, two files.
    Result<> feed(std::string_view piece, std::vector<std::string_view>& audio);
    Result<> finish(); // usage error when the closing boundary is missing or there is no file part
    bool file_started() const;
    bool complete() const;                             // the closing boundary was seen
    const std::vector<MultipartField>& fields() const; // complete ones so far
    std::string_view filename() const;
    std::string_view file_content_type() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace conduit::agent
