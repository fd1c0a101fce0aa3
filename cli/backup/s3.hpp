// SPDX-License-Identifier: Apache-2.0
// A repository in an S3-compatible store: Signature Version 4, multipart uploads (a part is there only once
// it was completed), path or virtual-host style.
#pragma once

#include "cli/backup/repository.hpp"
#include "core/http.hpp"
#include "core/sigv4.hpp"

namespace conduit::backup {

struct S3Place {
    std::string bucket;
    std::string prefix;   // without slashes at its ends; empty: none
    std::string endpoint; // "http://127.0.0.1:9000"; empty: AWS
    std::string region;
    bool path_style = false;
    SigV4Credentials credentials;
    std::size_t piece = 16U << 20U; // of a multipart upload; S3 wants 5 MiB or more
    Duration patience{60'000};      // for one request, its tries together
};

Result<S3Place> parse_s3(std::string_view url); // "s3://bucket/prefix"

// The client and the clock must outlive it. Answers of 500 and above, 429 and broken connections are tried
// again with growing pauses, for as long as the place is patient; auth names what the store said.
std::unique_ptr<Repository> open_s3(S3Place place, HttpClient& http, Clock& clock, const Cancel* stop);

} // namespace conduit::backup
