// SPDX-License-Identifier: Apache-2.0
// What `cert check` finds out, as pure judgements.
#pragma once

#include "core/certificate.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace conduit::commands {

struct CertFinding {
    enum class Verdict : std::uint8_t { passed, warned, failed, unknown };
    std::string check; // "expiry"
    Verdict verdict = Verdict::passed;
    std::string detail;
};

struct CertLimits {
    WallTime now{};
    Duration warn{std::chrono::hours{24 * 30}};
    Duration fail{std::chrono::hours{24 * 7}};
};

CertFinding check_expiry(const CertificateInfo& certificate, const CertLimits& limits);
// Each of these names is one of the certificate's.
CertFinding check_names(const CertificateInfo& certificate, const std::vector<std::string>& wanted);
// Each certificate is signed by the one after it, none is out of its time.
CertFinding check_chain(const std::vector<CertificateInfo>& chain, const CertLimits& limits);

} // namespace conduit::commands
