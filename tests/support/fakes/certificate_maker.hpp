// SPDX-License-Identifier: Apache-2.0
// Certificates as a manager would issue them: real keys, real signatures, any dates.
#pragma once

#include "core/clock.hpp"

#include <string>
#include <vector>

namespace conduit::test {

struct MadeCertificate {
    std::string certificate; // PEM
    std::string key;         // PEM
};

struct CertificateWish {
    std::string subject = "api.example";
    std::vector<std::string> names{"api.example"};
    WallTime not_before{};
    WallTime not_after{};
    long serial = 1;
};

// issuer: signs it; null: signed by itself.
MadeCertificate make_certificate(const CertificateWish& wish, const MadeCertificate* issuer = nullptr);

} // namespace conduit::test
