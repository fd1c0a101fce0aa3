// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/certificates.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops {
namespace {

std::string certificate_of(const Step& step)
{
    return json_string_or(*step.arguments, "certificate", "");
}

Applied applied(const std::string& name)
{
    return {.observed = fmt::format("{} is being issued", name), .data = Json::object()};
}

} // namespace

std::string issuance_line(const ManagedCertificate& certificate, const std::vector<IssuanceStep>& steps)
{
    std::string line = certificate.issuing ? "issuing" : certificate.ready ? "ready" : "not ready";
    if (!certificate.reason.empty())
        line += fmt::format(" ({})", certificate.reason);
    for (const auto& step : steps)
        if (step.state != "Ready" && step.state != "valid")
            line += fmt::format(", {} {} {}{}{}", step.kind, step.name, step.state,
                                step.message.empty() ? "" : ": ", step.message);
    return line;
}

Result<FieldMap> CertificateTarget::observe(std::span<const std::string> paths, Deadline)
{
    if (paths.empty())
        return FieldMap{};
    return fail(ErrorKind::internal, "certificates have no fields");
}

Result<Applied> CertificateTarget::apply(const WriteContext& context, const Step& step)
{
    TRY(certificates_.renew(certificate_of(step), context.key.text(), context.sent, context.deadline));
    return applied(certificate_of(step));
}

Result<std::optional<Applied>> CertificateTarget::find(const StepKey& key, const Step& step,
                                                       Deadline deadline)
{
    TRY_ASSIGN(const bool renewed, certificates_.was_renewed(certificate_of(step), key.text(), deadline));
    return renewed ? std::optional(applied(certificate_of(step))) : std::nullopt;
}

// Ready=True is also said of the old certificate: another serial in the Secret is what counts.
Result<> CertificateTarget::verify(const Step& step, const Applied&, Deadline deadline, Progress& progress)
{
    const auto name = certificate_of(step);
    const auto serial = json_string_or(*step.arguments, "serial", "");
    std::string line = "not seen yet";
    std::optional<Error> wrong;
    const auto look = [&](const ManagedCertificate& now) {
        const auto steps = certificates_.steps(name, deadline);
        line = issuance_line(now, steps ? *steps : std::vector<IssuanceStep>{});
        progress.waiting("certificate", line);
        if (now.issuing)
            return true;
        const auto stored = certificates_.stored(now, deadline);
        if (!stored) {
            wrong = stored.error();
            return false;
        }
        const bool other = !stored->chain.empty() && stored->chain.front().serial != serial;
        if (now.ready && other && !stored->key_matches)
            wrong = Error{ErrorKind::failed,
                          fmt::format("Secret {} holds a key that is not its certificate's", now.secret),
                          fmt::format("See: conduitctl cert check {}", name)};
        // Told once by the manager, when the attempt is over.
        if (!other && now.reason.starts_with("Failed"))
            wrong = Error{ErrorKind::failed, fmt::format("{} was not issued: {}", name, line),
                          fmt::format("The old one still serves. See: conduitctl cert show {}", name)};
        return !wrong && !(now.ready && other);
    };
    auto watched = certificates_.watch(name, look, deadline);
    if (wrong)
        return *wrong;
    if (!watched && watched.error().kind == ErrorKind::unverified)
        return fail(
            ErrorKind::unverified, fmt::format("{}: {}", name, line),
            fmt::format("The old one serves until then. Go on watching: conduitctl cert watch {}", name));
    return watched;
}

Intent renew_intent(CertificateTarget& target, const ManagedCertificate& certificate,
                    const std::string& serial)
{
    Step step;
    step.resource = "certificate/" + certificate.name;
    step.action = k_renew_action;
    step.arguments =
        Json{{"certificate", certificate.name}, {"serial", serial}, {"revision", certificate.revision}};
    step.summary = "its manager is asked for a new one; the old one serves until then";
    step.verify = fmt::format("Secret {} holds a certificate with another serial", certificate.secret);
    step.undo = "a certificate that was issued stays issued";
    step.reversible = false;
    Intent intent;
    intent.target = &target;
    intent.verb = "cert renew";
    intent.scope = "certificate/" + certificate.name;
    intent.summary = fmt::format("renew certificate {}", certificate.name);
    intent.confirm_name = certificate.name;
    intent.tier = Tier::mild;
    intent.undo = UndoKind::none;
    intent.rollback = false;
    intent.steps.push_back(std::move(step));
    intent.watch = fmt::format("conduitctl cert watch {}", certificate.name);
    return intent;
}

} // namespace conduit::ops
