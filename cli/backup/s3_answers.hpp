// SPDX-License-Identifier: Apache-2.0
// What an S3-compatible store says, in XML. Internal to this folder.
#pragma once

#include "cli/backup/repository.hpp"

#include <optional>

namespace conduit::backup {

struct S3Page {
    std::vector<StoredFile> files; // with their whole keys
    std::string next;              // of the page that follows; empty: none does
};
struct S3Error {
    std::string code, message; // "NoSuchKey"; empty: the body is no error
};
Result<S3Page> read_s3_list(std::string_view xml);
Result<std::string> read_s3_upload_id(std::string_view xml);
S3Error read_s3_error(std::string_view xml);
std::string write_s3_completion(const std::vector<std::string>& tags);
std::optional<std::uint64_t> s3_number(std::string_view text);

} // namespace conduit::backup
