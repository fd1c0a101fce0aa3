// SPDX-License-Identifier: Apache-2.0
// Certificates that a manager in the cluster keeps (cert-manager): what is asked for, what is there, and how
// far a renewal has come. Private keys do not leave an adapter: it tells whether they fit.
#pragma once

#include "cli/orchestrator/orchestrator.hpp"
#include "core/certificate.hpp"

namespace conduit {

struct ManagedCertificate {
    std::string name;
    std::string secret;
    std::string issuer; // "ClusterIssuer/letsencrypt"
    std::vector<std::string> names;
    bool ready = false;
    bool issuing = false;
    std::string reason; // of Ready: "Expired: ..."; "" when nothing is wrong
    std::optional<WallTime> not_before, not_after, renewal_time;
    std::int64_t revision = 0;
    std::optional<WallTime> created;
};

// A CertificateRequest, Order or Challenge on the way.
struct IssuanceStep {
    std::string kind, name;
    std::string state; // "pending", "valid", "Ready", "Denied"
    std::string message;
    std::optional<WallTime> created;
};

struct StoredCertificate { // in the Secret
    std::vector<CertificateInfo> chain;
    bool key_matches = false;
    std::string problem; // "the Secret does not exist"; "" when it could be read
};

class Certificates { // one namespace. refused where the cluster knows no cert-manager
  public:
    virtual ~Certificates() = default;
    virtual std::string identity() const = 0; // the orchestrator's

    virtual Result<std::vector<ManagedCertificate>> list(Deadline deadline) = 0;
    virtual Result<ManagedCertificate> get(const std::string& name, Deadline deadline) = 0;
    virtual Result<std::vector<IssuanceStep>> steps(const std::string& name, Deadline deadline) = 0;
    virtual Result<StoredCertificate> stored(const ManagedCertificate& certificate, Deadline deadline) = 0;

    // Asks for a new one the way cmctl does, and never by removing anything. A repeated key asks once.
    virtual Result<> renew(const std::string& name, const std::string& key,
                           const std::function<void()>& on_sent, Deadline deadline) = 0;
    virtual Result<bool> was_renewed(const std::string& name, std::string_view key, Deadline deadline) = 0;
    // Called with each new reading until it says false.
    using OnReading = std::function<bool(const ManagedCertificate& certificate)>;
    virtual Result<> watch(const std::string& name, const OnReading& reading, Deadline deadline) = 0;
};

} // namespace conduit
