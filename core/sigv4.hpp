// SPDX-License-Identifier: Apache-2.0
// AWS Signature Version 4: signing requests, presigned URLs, event-stream chunks, and verifying all three.
#pragma once

#include "core/clock.hpp"
#include "core/hash.hpp"
#include "core/http.hpp"
#include "core/result.hpp"
#include "core/url.hpp"

#include <string>
#include <string_view>

namespace conduit {

struct SigV4Credentials {
    std::string access_key;
    std::string secret_key;
    std::string session_token; // empty: none
};

struct SigV4Scope {
    std::string region;
    std::string service;
};

// What is signed. headers must hold "host" as it will be sent; every header listed is signed.
// path and query are as on the wire (already percent-encoded once).
struct SigV4Request {
    std::string method = "GET";
    std::string path = "/";
    std::string query; // without '?'
    HeaderList headers;
    std::string payload_hash; // lower-case hex of the body's SHA-256, "UNSIGNED-PAYLOAD", ...
};

struct SigV4Signed {
    HeaderList headers;    // to be added to the request: x-amz-date, x-amz-security-token, authorization
    std::string signature; // hexadecimal; the seed of event-stream chunk signatures
    std::string canonical_hash;
};

inline constexpr std::string_view k_empty_sha256 =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

SigV4Signed sign_request(const SigV4Credentials& credentials, const SigV4Scope& scope, WallTime now,
                         const SigV4Request& request);

struct SigV4Presigned {
    std::string query; // complete, X-Amz-Signature last
    std::string canonical_hash;
};
// Signs "host" alone. payload_hash: of the empty text for WebSockets, "UNSIGNED-PAYLOAD" for S3.
SigV4Presigned presign(const SigV4Credentials& credentials, const SigV4Scope& scope, WallTime now,
                       Duration expires, const Url& url, std::string_view method = "GET",
                       std::string_view payload_hash = k_empty_sha256);
std::string presign_url(const SigV4Credentials& credentials, const SigV4Scope& scope, WallTime now,
                        Duration expires, const Url& url);

// One link of the chain that signs event-stream messages. prior: the raw bytes of the signature before (for
// the first message those of the request's). date_header: the encoded ":date" header.
Sha256Digest sign_event_chunk(const SigV4Credentials& credentials, const SigV4Scope& scope, WallTime now,
                              std::string_view prior, std::string_view date_header, std::string_view payload);

// The claim a request makes, from its Authorization header or its presigned query.
struct SigV4Claim {
    std::string access_key;
    std::string date; // YYYYMMDD
    SigV4Scope scope;
    std::string time;           // YYYYMMDDTHHMMSSZ
    std::string signed_headers; // "host;x-amz-date"
    std::string signature;
    Duration expires{0};
    bool presigned = false;
};
// Errors of kind auth; details["code"] is the name AWS gives the fault ("InvalidSignatureException", ...).
Result<SigV4Claim> read_sigv4_claim(const SigV4Request& request);
// request.headers: all headers received; only those the claim names enter the computation.
Result<> verify_sigv4(const SigV4Request& request, const SigV4Claim& claim,
                      const SigV4Credentials& credentials, WallTime now, Duration max_skew = 5min);

} // namespace conduit
