// SPDX-License-Identifier: Apache-2.0
// What stands in X.509 certificates. Parsing only: whom to trust is not decided here.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace conduit {

struct CertificateInfo {
    std::string subject, issuer;    // "CN=api.example, O=Example"
    std::string serial;             // hexadecimal
    std::vector<std::string> names; // DNS names and addresses
    WallTime not_before{}, not_after{};
    std::string sha256;          // of the certificate, hexadecimal
    std::string public_key;      // the SHA-256 of its key's public half
    bool signed_by_next = false; // by the one that follows it in the chain
    bool self_signed = false;
};

// At most 16 certificates and 256 KiB. failed: it is no PEM, or what stands in it is no certificate.
Result<std::vector<CertificateInfo>> read_certificates(std::string_view pem);
// The SHA-256 of the public half of a private key.
Result<std::string> public_key_of(std::string_view private_key_pem);
// Does a name of it, wildcards included, stand for this host?
bool names_host(const CertificateInfo& certificate, std::string_view host);

} // namespace conduit
