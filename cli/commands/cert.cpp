// SPDX-License-Identifier: Apache-2.0
// `cert`: certificates that a manager in the cluster keeps, and what servers really show.
#include "cli/app/module.hpp"
#include "cli/app/operations.hpp"
#include "cli/commands/all.hpp"
#include "cli/commands/cert_check.hpp"
#include "cli/commands/releases.hpp"
#include "cli/orchestrator/certificates.hpp"
#include "cli/targets/certificates.hpp"
#include "core/text.hpp"
#include "core/tls_peer.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

using Verdict = CertFinding::Verdict;

struct CertOptions {
    std::string certificate;
};

struct RenewOptions : CertOptions {
    ops::ChangeOptions change;
};

struct CheckOptions {
    std::string certificate;
    std::string endpoint;
    std::string server_name;
    std::string not_serial;
    Duration fail_within{std::chrono::hours{24 * 7}};
};

Completer certificate_completer()
{
    return {.key = "certificates",
            .fetch = [](App& app, std::span<const std::string>) -> Result<std::vector<Candidate>> {
                TRY_ASSIGN(Certificates * certificates, app.certificates());
                TRY_ASSIGN(const auto all, certificates->list(app.deadline(2s)));
                std::vector<Candidate> out;
                for (const auto& one : all)
                    out.push_back({one.name, join(one.names, ",")});
                return out;
            }};
}

Json time_json(const std::optional<WallTime>& time)
{
    return time ? Json(format_time(*time)) : Json();
}

Json item_of(const ManagedCertificate& one)
{
    return {{"name", one.name},
            {"ready", one.ready},
            {"issuing", one.issuing},
            {"reason", one.reason.empty() ? Json() : Json(one.reason)},
            {"secret", one.secret},
            {"issuer", one.issuer},
            {"names", one.names},
            {"not_before", time_json(one.not_before)},
            {"not_after", time_json(one.not_after)},
            {"renewal_time", time_json(one.renewal_time)},
            {"revision", one.revision},
            {"created", time_json(one.created)}};
}

Json chain_json(const std::vector<CertificateInfo>& chain)
{
    Json out = Json::array();
    for (const auto& one : chain)
        out.push_back({{"subject", one.subject},
                       {"issuer", one.issuer},
                       {"serial", one.serial},
                       {"names", one.names},
                       {"not_before", format_time(one.not_before)},
                       {"not_after", format_time(one.not_after)},
                       {"sha256", one.sha256}});
    return out;
}

Result<Report> ls(App& app)
{
    TRY_ASSIGN(Certificates * certificates, app.certificates());
    TRY_ASSIGN(const auto all, certificates->list(app.deadline(k_read_timeout)));
    Json items = Json::array();
    std::vector<std::string> notes;
    for (const auto& one : all) {
        items.push_back(item_of(one));
        if (!one.reason.empty())
            notes.push_back(fmt::format("{}: {}", one.name, one.reason));
    }
    using enum Column::Format;
    auto report = list_report(std::move(items), {{.head = "NAME", .field = "name"},
                                                 {.head = "READY", .field = "ready", .format = yes_no},
                                                 {.head = "ISSUING", .field = "issuing", .format = yes_no},
                                                 {.head = "UNTIL", .field = "not_after"},
                                                 {.head = "RENEWAL", .field = "renewal_time"},
                                                 {.head = "SECRET", .field = "secret", .wide_only = true},
                                                 {.head = "ISSUER", .field = "issuer", .wide_only = true},
                                                 {.head = "AGE", .field = "created", .format = age}});
    if (all.empty())
        notes.emplace_back("no certificate is managed here");
    report.notes = std::move(notes);
    return report;
}

Result<Report> show(App& app, const CertOptions& o)
{
    TRY_ASSIGN(Certificates * certificates, app.certificates());
    const auto deadline = app.deadline(k_read_timeout);
    TRY_ASSIGN(const auto one, certificates->get(o.certificate, deadline));
    TRY_ASSIGN(const auto steps, certificates->steps(o.certificate, deadline));
    TRY_ASSIGN(const auto stored, certificates->stored(one, deadline));
    Json items = Json::array();
    for (const auto& step : steps)
        items.push_back({{"kind", step.kind},
                         {"name", step.name},
                         {"state", step.state},
                         {"message", step.message.empty() ? Json() : Json(step.message)},
                         {"created", time_json(step.created)}});
    auto report =
        list_report(std::move(items), {{.head = "KIND", .field = "kind"},
                                       {.head = "NAME", .field = "name"},
                                       {.head = "STATE", .field = "state"},
                                       {.head = "MESSAGE", .field = "message"},
                                       {.head = "AGE", .field = "created", .format = Column::Format::age}});
    (*report.data)["certificate"] = item_of(one);
    (*report.data)["stored"] = {{"chain", chain_json(stored.chain)},
                                {"key_matches", stored.key_matches},
                                {"problem", stored.problem.empty() ? Json() : Json(stored.problem)}};
    report.notes = {fmt::format("{}: {}{}", one.name, one.ready ? "ready" : "not ready",
                                one.reason.empty() ? "" : ", " + one.reason)};
    if (!stored.chain.empty())
        report.notes.push_back(fmt::format("serial {} of {}, until {}", stored.chain.front().serial,
                                           stored.chain.front().issuer,
                                           format_time(stored.chain.front().not_after)));
    if (!stored.problem.empty())
        report.notes.push_back(stored.problem);
    return report;
}

Result<TlsEndpoint> endpoint_of(const CheckOptions& o)
{
    TlsEndpoint out;
    const auto colon = o.endpoint.rfind(':');
    out.host = o.endpoint.substr(0, colon);
    if (colon != std::string::npos)
        out.port = o.endpoint.substr(colon + 1);
    out.server_name = o.server_name;
    const bool number = !out.port.empty() && out.port.size() < 6 &&
                        out.port.find_first_not_of("0123456789") == std::string::npos;
    if (out.host.empty() || !number)
        return fail(ErrorKind::usage, fmt::format("'{}' is no HOST:PORT", printable(o.endpoint)),
                    "Write it like api.example.org:443.");
    return out;
}

struct Checked {
    std::vector<CertFinding> findings;
    Json data = Json::object();
    std::string serial; // of what is stored, else of what is served
};

void add(Checked& out, std::string_view where, CertFinding finding)
{
    finding.check = fmt::format("{} {}", where, finding.check);
    out.findings.push_back(std::move(finding));
}

Result<> check_stored(App& app, const CheckOptions& o, const CertLimits& limits, Checked& out)
{
    TRY_ASSIGN(Certificates * certificates, app.certificates());
    const auto deadline = app.deadline(k_read_timeout);
    TRY_ASSIGN(const auto one, certificates->get(o.certificate, deadline));
    TRY_ASSIGN(const auto stored, certificates->stored(one, deadline));
    out.data["certificate"] = item_of(one);
    out.data["chain"] = chain_json(stored.chain);
    add(out, "manager",
        {"ready", one.ready ? Verdict::passed : Verdict::failed,
         one.ready ? fmt::format("revision {}", one.revision) : one.reason});
    if (stored.chain.empty()) {
        add(out, "secret", {"certificate", Verdict::failed, stored.problem});
        return {};
    }
    const auto& own = stored.chain.front();
    out.serial = own.serial;
    add(out, "secret", check_expiry(own, limits));
    add(out, "secret", check_names(own, one.names));
    add(out, "secret", check_chain(stored.chain, limits));
    add(out, "secret",
        {"key", stored.key_matches ? Verdict::passed : Verdict::failed,
         stored.key_matches       ? "fits the certificate"
         : stored.problem.empty() ? "is not the certificate's"
                                  : stored.problem});
    return {};
}

Result<> check_served(App& app, const CheckOptions& o, const CertLimits& limits, Checked& out)
{
    TRY_ASSIGN(const auto endpoint, endpoint_of(o));
    TRY_ASSIGN(BackendModule * backends, app.backends());
    TRY_ASSIGN(const auto chain, backends->served_certificates(endpoint, app.deadline(k_read_timeout)));
    const auto& own = chain.front();
    out.data["served"] = chain_json(chain);
    add(out, "served", check_expiry(own, limits));
    add(out, "served",
        check_names(own, {endpoint.server_name.empty() ? endpoint.host : endpoint.server_name}));
    add(out, "served", check_chain(chain, limits));
    if (!out.serial.empty()) {
        const bool same = own.serial == out.serial;
        add(out, "served",
            {"serial", same ? Verdict::passed : Verdict::failed,
             same ? "the one in the Secret"
                  : fmt::format("{} is served, the Secret holds {}: the server has not loaded it", own.serial,
                                out.serial)});
    }
    if (out.serial.empty())
        out.serial = own.serial;
    return {};
}

std::string_view verdict_name(Verdict verdict)
{
    constexpr std::array<std::string_view, 4> k_names{"passed", "warning", "failed", "unknown"};
    return k_names.at(static_cast<std::size_t>(verdict));
}

Result<Report> check(App& app, const CheckOptions& o)
{
    if (o.certificate.empty() && o.endpoint.empty())
        return fail(ErrorKind::usage, "nothing to check",
                    "Name a certificate, an --endpoint HOST:PORT, or both; list them: conduitctl cert ls");
    const CertLimits limits{.now = app.clock().now(), .fail = o.fail_within};
    Checked checked;
    if (!o.certificate.empty())
        TRY(check_stored(app, o, limits, checked));
    if (!o.endpoint.empty())
        TRY(check_served(app, o, limits, checked));
    if (!o.not_serial.empty()) {
        const bool changed = !checked.serial.empty() && checked.serial != to_lower(o.not_serial);
        checked.findings.push_back(
            {"serial changed", changed ? Verdict::passed : Verdict::failed,
             changed ? fmt::format("now {}", checked.serial) : fmt::format("still {}", checked.serial)});
    }
    Json items = Json::array();
    auto verdict = ErrorKind::ok;
    for (const auto& one : checked.findings) {
        items.push_back(
            {{"name", one.check}, {"verdict", verdict_name(one.verdict)}, {"detail", one.detail}});
        if (one.verdict == Verdict::failed)
            verdict = ErrorKind::breached;
    }
    auto report = list_report(std::move(items), {{.head = "CHECK", .field = "name"},
                                                 {.head = "VERDICT", .field = "verdict"},
                                                 {.head = "DETAIL", .field = "detail"}});
    report.data->update(checked.data);
    (*report.data)["serial"] = checked.serial.empty() ? Json() : Json(checked.serial);
    report.verdict = verdict;
    return report;
}

Result<Report> renew(App& app, const RenewOptions& o)
{
    TRY_ASSIGN(Certificates * certificates, app.certificates());
    const auto deadline = app.deadline(k_read_timeout);
    TRY_ASSIGN(const auto one, certificates->get(o.certificate, deadline));
    TRY_ASSIGN(const auto stored, certificates->stored(one, deadline));
    const auto before = stored.chain.empty() ? std::string() : stored.chain.front().serial;
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(ops::Target * found, operations->target("certificates"));
    auto* target = dynamic_cast<ops::CertificateTarget*>(found);
    if (target == nullptr)
        return fail(ErrorKind::internal, "the context has no target of certificates");
    auto intent = ops::renew_intent(*target, one, before);
    if (!stored.chain.empty())
        intent.lines = {{"serves now", fmt::format("serial {}, until {}", before,
                                                   format_time(stored.chain.front().not_after))}};
    auto options = o.change;
    if (!app.global().timeout)
        options.timeout = k_rollout_timeout;
    auto report = operations->change(intent, options);
    if (!report || report->verdict != ErrorKind::ok || options.dry_run || options.check)
        return report;
    (*report->data)["serial_before"] = before.empty() ? Json() : Json(before);
    const auto after = certificates->stored(one, app.deadline(k_read_timeout));
    if (!after || after->chain.empty())
        return report;
    (*report->data)["serial"] = after->chain.front().serial;
    (*report->data)["not_after"] = format_time(after->chain.front().not_after);
    report->next.push_back(fmt::format("conduitctl cert check {} --not-serial {} --endpoint HOST:443",
                                       one.name, before.empty() ? "0" : before));
    return report;
}

Result<Report> watch(App& app, const CertOptions& o)
{
    TRY_ASSIGN(Certificates * certificates, app.certificates());
    const auto deadline = app.deadline(k_rollout_timeout);
    TRY_ASSIGN(auto last, certificates->get(o.certificate, deadline));
    std::string told;
    auto emitted = Result<>{};
    const auto look = [&](const ManagedCertificate& now) {
        last = now;
        const auto steps = certificates->steps(o.certificate, deadline);
        const auto line = ops::issuance_line(now, steps ? *steps : std::vector<IssuanceStep>{});
        if (line != told)
            emitted = app.emit(fmt::format("{} {}", now.name, line),
                               Json{{"name", now.name}, {"state", line}, {"issuing", now.issuing}});
        told = line;
        return emitted && now.issuing;
    };
    // Requests and orders change between two readings of the certificate.
    for (Result<> watched;;) {
        watched = certificates->watch(o.certificate, look, deadline.sooner(2s));
        if (!emitted)
            return emitted.error();
        if (watched)
            break;
        if (watched.error().kind != ErrorKind::unverified)
            return watched.error();
        if (deadline.passed())
            break;
    }
    Report report;
    report.data = item_of(last);
    report.text = "";
    report.verdict = last.issuing ? ErrorKind::unverified : last.ready ? ErrorKind::ok : ErrorKind::breached;
    report.notes = {fmt::format("{}: {}", last.name, told)};
    return report;
}

void certificate_arg(Flags& flags, CertOptions& o)
{
    flags.arg("CERTIFICATE", o.certificate, "Its name").complete(certificate_completer());
}

void check_flags(Flags& f, CheckOptions& o)
{
    f.arg("CERTIFICATE", o.certificate, "A managed one").optional().complete(certificate_completer());
    f.opt("--endpoint", o.endpoint, "Also what a server shows there").value("HOST:PORT");
    f.opt("--server-name", o.server_name, "The name to ask it for, unless the host").value("NAME");
    f.opt("--not-serial", o.not_serial, "Fails while the serial is still this one").value("SERIAL");
    f.opt("--fail-within", o.fail_within, "Fails when it ends sooner than this");
}

Verb check_verb()
{
    return verb<CheckOptions>(
        {.name = "check",
         .summary = "Check expiry, names, chain, key and what is served",
         .text = "Of the Secret that a managed certificate is kept in, and of what a TLS server shows: a "
                 "server may still serve the old one. Warns 30 days before the end, fails 7 days before.",
         .examples = {"conduitctl cert check conduit-tls --endpoint api.conduit.example.com:443",
                      "conduitctl cert check --endpoint api.conduit.example.com:443",
                      "conduitctl cert check conduit-tls --not-serial 04a1b2"},
         .also = also_refused({ErrorKind::breached}),
         .covers = {"E-cert-renew-3"},
         .backends = {"kubernetes", "tls"}},
        check_flags, check);
}

} // namespace

Noun cert()
{
    return {.name = "cert",
            .summary = "Certificates, and what is really served",
            .group = Group::trust,
            .verbs = {
                verb({.name = "ls",
                      .summary = "List managed certificates and when they end",
                      .examples = {"conduitctl cert ls"},
                      .also = also_refused(),
                      .covers = {"E-cert-check-1"},
                      .backends = {"kubernetes"}},
                     ls),
                verb<CertOptions>({.name = "show",
                                   .summary = "Show one certificate and how it is being issued",
                                   .examples = {"conduitctl cert show conduit-tls"},
                                   .also = also_refused(),
                                   .covers = {"E-cert-check-2"},
                                   .backends = {"kubernetes"}},
                                  certificate_arg, show),
                check_verb(),
                verb<RenewOptions>(
                    {.name = "renew",
                     .summary = "Have a new certificate issued; the old one serves on",
                     .effect = Effect::change,
                     .tier = Tier::mild,
                     .undo = Undo::none,
                     .text = "As cmctl renew does it, and never by deleting anything: a Certificate that is "
                             "deleted may leave the old Secret as it is, or take TLS down with it. Done when "
                             "the Secret holds another serial; whether it is served, cert check tells.",
                     .examples = {"conduitctl cert renew conduit-tls"},
                     .omitted = {{ErrorKind::stale, "writes no field that could have moved"},
                                 {ErrorKind::rolled_back, "it cannot be taken back: 10"}},
                     .covers = {"E-cert-renew-1"},
                     .backends = {"kubernetes"}},
                    [](Flags& f, RenewOptions& o) {
                        certificate_arg(f, o);
                        change_flags(f, o.change);
                    },
                    renew),
                verb<CertOptions>(
                    {.name = "watch",
                     .summary = "Follow how a certificate is issued until it is",
                     .text = "Requests, orders and challenges as they change state. Exit 11 when it was not "
                             "issued within --timeout (10 minutes), 13 when issuing failed.",
                     .examples = {"conduitctl cert watch conduit-tls --timeout 10m"},
                     .also = also_refused({ErrorKind::unverified, ErrorKind::breached}),
                     .covers = {"E-cert-renew-2"},
                     .backends = {"kubernetes"},
                     .streaming = true},
                    certificate_arg, watch),
            }};
}

} // namespace conduit::commands
