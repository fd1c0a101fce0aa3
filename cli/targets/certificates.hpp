// SPDX-License-Identifier: Apache-2.0
// Managed certificates as a target of changes: "renew" is an action. Done when the Secret holds another
// certificate, which is what serves.
#pragma once

#include "cli/ops/target.hpp"
#include "cli/orchestrator/certificates.hpp"

namespace conduit::ops {

inline constexpr std::string_view k_renew_action = "renew"; // arguments: certificate, serial, revision

class CertificateTarget final : public Target {
  public:
    // The certificates must outlive the target.
    explicit CertificateTarget(Certificates& certificates) : certificates_(certificates) {}

    std::string kind() const override { return "certificates"; }
    std::string identity() const override { return certificates_.identity(); }
    std::string name() const override { return certificates_.identity(); }

    Result<FieldMap> observe(std::span<const std::string> paths, Deadline deadline) override;
    Result<Applied> apply(const WriteContext& context, const Step& step) override;
    Result<std::optional<Applied>> find(const StepKey& key, const Step& step, Deadline deadline) override;
    Result<> verify(const Step& step, const Applied& applied, Deadline deadline, Progress& progress) override;

  private:
    Certificates& certificates_;
};

// serial: of the certificate that is there now; "" when there is none.
Intent renew_intent(CertificateTarget& target, const ManagedCertificate& certificate,
                    const std::string& serial);
// "Issuing, CertificateRequest web-tls-2 pending" for a line of progress.
std::string issuance_line(const ManagedCertificate& certificate, const std::vector<IssuanceStep>& steps);

} // namespace conduit::ops
