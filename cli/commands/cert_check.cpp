// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/cert_check.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace conduit::commands {
namespace {

using Verdict = CertFinding::Verdict;

std::string day(WallTime time)
{
    return format_time(time).substr(0, 10);
}

std::int64_t days(Duration duration)
{
    return std::chrono::duration_cast<std::chrono::hours>(duration).count() / 24;
}

} // namespace

CertFinding check_expiry(const CertificateInfo& certificate, const CertLimits& limits)
{
    CertFinding out{.check = "expiry"};
    const auto left = std::chrono::duration_cast<Duration>(certificate.not_after - limits.now);
    if (certificate.not_before > limits.now) {
        out.verdict = Verdict::failed;
        out.detail = fmt::format("not valid before {}", format_time(certificate.not_before));
        return out;
    }
    if (left <= Duration{0}) {
        out.verdict = Verdict::failed;
        out.detail = fmt::format("expired on {}", format_time(certificate.not_after));
        return out;
    }
    out.detail = fmt::format("until {}, {} days", day(certificate.not_after), days(left));
    if (left < limits.fail)
        out.verdict = Verdict::failed;
    else if (left < limits.warn)
        out.verdict = Verdict::warned;
    return out;
}

CertFinding check_names(const CertificateInfo& certificate, const std::vector<std::string>& wanted)
{
    CertFinding out{.check = "names", .detail = join(certificate.names, ", ")};
    std::vector<std::string> missing;
    for (const auto& name : wanted) {
        const bool exact = std::ranges::find(certificate.names, name) != certificate.names.end();
        if (!name.empty() && !exact && !names_host(certificate, name))
            missing.push_back(name);
    }
    if (missing.empty())
        return out;
    out.verdict = Verdict::failed;
    out.detail = fmt::format("it does not stand for {}, only for {}", join(missing, ", "),
                             certificate.names.empty() ? "nothing" : join(certificate.names, ", "));
    return out;
}

CertFinding check_chain(const std::vector<CertificateInfo>& chain, const CertLimits& limits)
{
    CertFinding out{.check = "chain", .detail = fmt::format("{} certificates", chain.size())};
    for (std::size_t i = 0; i < chain.size(); ++i) {
        const bool last = i + 1 == chain.size();
        if (!last && !chain[i].signed_by_next) {
            out.verdict = Verdict::failed;
            out.detail = fmt::format("{} is not signed by {}, which follows it", chain[i].subject,
                                     chain[i + 1].subject);
            return out;
        }
        if (i > 0 && chain[i].not_after <= limits.now) {
            out.verdict = Verdict::failed;
            out.detail = fmt::format("{} expired on {}", chain[i].subject, format_time(chain[i].not_after));
            return out;
        }
    }
    if (!chain.empty() && chain.size() == 1 && chain.front().self_signed) {
        out.verdict = Verdict::warned;
        out.detail = "it is signed by itself: nobody trusts it who does not know it";
    }
    return out;
}

} // namespace conduit::commands
