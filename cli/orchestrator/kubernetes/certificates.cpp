// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/certificates.hpp"

#include "cli/orchestrator/kubernetes/change.hpp"
#include "core/kube/watch.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

namespace conduit::kubernetes {
namespace {

constexpr int k_tries = 20;
constexpr std::array<std::string_view, 4> k_versions{"cert-manager.io/v1", "cert-manager.io/v1beta1",
                                                     "cert-manager.io/v1alpha3", "cert-manager.io/v1alpha2"};
constexpr std::array<std::string_view, 4> k_acme{"acme.cert-manager.io/v1", "acme.cert-manager.io/v1beta1",
                                                 "acme.cert-manager.io/v1alpha3",
                                                 "acme.cert-manager.io/v1alpha2"};

const Json& condition_of(const Json& object, std::string_view type)
{
    static const Json k_none = Json::object();
    for (const auto& one : list_of(member(object, "status"), "conditions"))
        if (json_string_or(one, "type", "") == type)
            return one;
    return k_none;
}

bool holds(const Json& object, std::string_view type)
{
    return json_string_or(condition_of(object, type), "status", "") == "True";
}

std::string words_of(const Json& condition)
{
    const auto reason = printable(json_string_or(condition, "reason", ""));
    const auto message = printable(json_string_or(condition, "message", ""));
    return message.empty() ? reason : fmt::format("{}: {}", reason, message);
}

std::optional<WallTime> time_at(const Json& object, std::string_view key)
{
    const auto at = parse_time(json_string_or(object, key, ""));
    return at ? std::optional(*at) : std::nullopt;
}

std::optional<WallTime> created_of(const Json& object)
{
    return time_at(member(object, "metadata"), "creationTimestamp");
}

ManagedCertificate certificate_of(const Json& object)
{
    const auto& spec = member(object, "spec");
    const auto& status = member(object, "status");
    const auto& issuer = member(spec, "issuerRef");
    ManagedCertificate out;
    out.name = name_of(object);
    out.secret = json_string_or(spec, "secretName", "");
    out.issuer = printable(
        fmt::format("{}/{}", json_string_or(issuer, "kind", "Issuer"), json_string_or(issuer, "name", "")));
    for (const auto* list : {"dnsNames", "ipAddresses"})
        for (const auto& name : list_of(spec, list))
            if (name.is_string())
                out.names.push_back(printable(name.get<std::string>()));
    if (out.names.empty())
        out.names.push_back(printable(json_string_or(spec, "commonName", "")));
    out.ready = holds(object, "Ready");
    out.issuing = holds(object, "Issuing");
    const auto& issuing = condition_of(object, "Issuing");
    if (!out.ready)
        out.reason = words_of(condition_of(object, "Ready"));
    if (!out.issuing && json_string_or(issuing, "reason", "") == "Failed")
        out.reason = words_of(issuing);
    out.not_before = time_at(status, "notBefore");
    out.not_after = time_at(status, "notAfter");
    out.renewal_time = time_at(status, "renewalTime");
    out.revision = static_cast<std::int64_t>(json_number_or(status, "revision", 0));
    out.created = created_of(object);
    return out;
}

std::string controller_uid(const Json& object)
{
    for (const auto& owner : list_of(member(object, "metadata"), "ownerReferences"))
        if (json_bool_or(owner, "controller", false))
            return json_string_or(owner, "uid", "");
    return {};
}

IssuanceStep step_of(const Json& object, std::string kind)
{
    IssuanceStep out{.kind = std::move(kind), .name = name_of(object)};
    const auto& status = member(object, "status");
    out.state = printable(json_string_or(status, "state", ""));
    out.message = printable(json_string_or(status, "reason", ""));
    for (const auto* type : {"Denied", "InvalidRequest", "Ready", "Approved"})
        if (const auto& found = condition_of(object, type); out.state.empty() && !found.empty()) {
            const bool yes = json_string_or(found, "status", "") == "True";
            const auto reason = printable(json_string_or(found, "reason", ""));
            out.state = yes || reason.empty() ? type : reason;
            out.message = printable(json_string_or(found, "message", ""));
        }
    if (out.state.empty())
        out.state = "pending";
    out.created = created_of(object);
    return out;
}

class CertManager final : public Certificates {
  public:
    CertManager(std::shared_ptr<kube::Api> api, std::string name_space, std::string identity)
        : api_(std::move(api)), identity_(std::move(identity)), workloads_(*api_, std::move(name_space))
    {
    }

    std::string identity() const override { return identity_; }

    Result<std::vector<ManagedCertificate>> list(Deadline deadline) override
    {
        TRY_ASSIGN(const auto folder, path_of("", deadline));
        std::vector<ManagedCertificate> out;
        TRY(api_->list(
            folder, {}, [&](const Json& item) { out.push_back(certificate_of(item)); }, [&] { out.clear(); },
            deadline));
        return out;
    }

    Result<ManagedCertificate> get(const std::string& name, Deadline deadline) override
    {
        TRY_ASSIGN(const auto object, read(name, deadline));
        return certificate_of(*object);
    }

    // Request, Order, Challenge: each is owned by the one before.
    Result<std::vector<IssuanceStep>> steps(const std::string& name, Deadline deadline) override
    {
        TRY_ASSIGN(const auto certificate, read(name, deadline));
        std::set<std::string> owners{json_string_or(member(*certificate, "metadata"), "uid", "")};
        std::vector<IssuanceStep> out;
        struct Level {
            std::span<const std::string_view> versions;
            const char *plural, *kind;
        };
        for (const auto& [versions, plural, kind] :
             {Level{k_versions, "certificaterequests", "CertificateRequest"},
              {k_acme, "orders", "Order"},
              {k_acme, "challenges", "Challenge"}}) {
            const auto resource = workloads_.discovery().prefer(versions, plural, deadline);
            if (!resource && resource.error().kind == ErrorKind::not_found)
                return out; // an issuer without ACME
            if (!resource)
                return resource.error();
            std::set<std::string> found;
            const auto take = [&](const Json& item) {
                if (!owners.contains(controller_uid(item)))
                    return;
                out.push_back(step_of(item, kind));
                found.insert(json_string_or(member(item, "metadata"), "uid", ""));
            };
            TRY(api_->list(
                kube::resource_path(*resource, workloads_.name_space()), {}, take, [] {}, deadline));
            owners = std::move(found);
        }
        return out;
    }

    Result<StoredCertificate> stored(const ManagedCertificate& certificate, Deadline deadline) override
    {
        StoredCertificate out;
        const auto secret =
            api_->get(kube::resource_path({.plural = "secrets"}, workloads_.name_space(), certificate.secret),
                      deadline);
        if (!secret && secret.error().kind == ErrorKind::not_found) {
            out.problem = fmt::format("Secret {} does not exist", certificate.secret);
            return out;
        }
        if (!secret)
            return secret.error();
        const auto& data = member(**secret, "data");
        const auto chain = base64_decode(json_string_or(data, "tls.crt", ""));
        const auto key = base64_decode(json_string_or(data, "tls.key", ""));
        auto read = read_certificates(chain.value_or(""));
        if (!read) {
            out.problem = fmt::format("tls.crt of Secret {}: {}", certificate.secret, read.error().message);
            return out;
        }
        out.chain = *std::move(read);
        const auto ours = public_key_of(key.value_or(""));
        out.key_matches = ours && *ours == out.chain.front().public_key;
        if (!ours)
            out.problem = fmt::format("tls.key of Secret {}: {}", certificate.secret, ours.error().message);
        return out;
    }

    Result<> renew(const std::string& name, const std::string& key, const std::function<void()>& on_sent,
                   Deadline deadline) override
    {
        TRY_ASSIGN(const auto where, path_of(name, deadline));
        const auto mark = [&](const Json& now) -> Result<Json> {
            if (was_done(now, key))
                return Json();
            const auto entry = fmt::format("{}={}", key, certificate_of(now).revision);
            return Json{{"metadata", {{"annotations", with_key(now, entry)}}}};
        };
        TRY_ASSIGN(auto now, workloads_.update(where, mark, on_sent, deadline));
        for (int i = 0; i < k_tries; ++i) {
            if (shows(*now, key))
                return {};
            auto written = write_issuing(where, *now, deadline);
            if (written || written.error().kind != ErrorKind::stale)
                return written;
            TRY_ASSIGN(now, api_->get(where, deadline)); // its manager wrote the status meanwhile
        }
        return fail(ErrorKind::stale,
                    fmt::format("certificate {} changes faster than it can be written", name));
    }

    Result<bool> was_renewed(const std::string& name, std::string_view key, Deadline deadline) override
    {
        TRY_ASSIGN(const auto object, read(name, deadline));
        return was_done(*object, key) && shows(*object, key);
    }

    Result<> watch(const std::string& name, const OnReading& reading, Deadline deadline) override
    {
        TRY_ASSIGN(const auto folder, path_of("", deadline));
        const kube::WatchOptions options{.query = {{"fieldSelector", "metadata.name=" + name}}, .lost = {}};
        return kube::watch(
            *api_, folder, options,
            [&](const kube::Event& event) {
                return event.object == nullptr || name_of(*event.object) != name ||
                       reading(certificate_of(*event.object));
            },
            deadline);
    }

  private:
    Result<std::string> path_of(const std::string& name, Deadline deadline)
    {
        auto resource = workloads_.discovery().prefer(k_versions, "certificates", deadline);
        if (!resource && resource.error().kind == ErrorKind::not_found)
            return fail(ErrorKind::refused,
                        "this cluster has no cert-manager (no resource of the group cert-manager.io)",
                        "Look at what a server shows instead: conduitctl cert check --endpoint HOST:443");
        if (!resource)
            return std::move(resource).error();
        return kube::resource_path(*resource, workloads_.name_space(), name);
    }

    Result<JsonBox> read(const std::string& name, Deadline deadline)
    {
        TRY_ASSIGN(const auto where, path_of(name, deadline));
        auto object = api_->get(where, deadline);
        if (object || object.error().kind != ErrorKind::not_found)
            return object;
        TRY_ASSIGN(const auto all, list(deadline));
        std::vector<std::string> names;
        for (const auto& one : all)
            names.push_back(one.name);
        return fail(ErrorKind::not_found,
                    fmt::format("{} in namespace {}", unknown_name("certificate", name, names),
                                workloads_.name_space()),
                    "See: conduitctl cert ls");
    }

    // Is what the renewal with this key asked for under way, or over?
    static bool shows(const Json& object, std::string_view key)
    {
        const auto before = replaced_by(object, key);
        return holds(object, "Issuing") ||
               (!before.empty() && before.front() != std::to_string(certificate_of(object).revision));
    }

    // As cmctl renew: the manager sees the condition and issues a new one beside the old.
    Result<> write_issuing(const std::string& where, const Json& now, Deadline deadline)
    {
        Json conditions = Json::array();
        for (const auto& one : list_of(member(now, "status"), "conditions"))
            if (json_string_or(one, "type", "") != "Issuing")
                conditions.push_back(one);
        conditions.push_back({{"type", "Issuing"},
                              {"status", "True"},
                              {"reason", "ManuallyTriggered"},
                              {"message", "Certificate re-issuance manually triggered"},
                              {"lastTransitionTime", format_time(api_->clock().now())},
                              {"observedGeneration", member(now, "metadata").value("generation", 0)}});
        const Json patch{{"metadata", {{"resourceVersion", now["metadata"]["resourceVersion"]}}},
                         {"status", {{"conditions", std::move(conditions)}}}};
        auto written = api_->patch(where + "/status", kube::PatchType::merge, patch, {}, deadline);
        if (!written && written.error().kind == ErrorKind::not_found) // a CRD without that subresource
            written = api_->patch(where, kube::PatchType::merge, patch, {}, deadline);
        if (!written)
            return std::move(written).error();
        return {};
    }

    std::shared_ptr<kube::Api> api_;
    const std::string identity_;
    WorkloadApi workloads_;
};

} // namespace

std::unique_ptr<Certificates> make_certificates(std::shared_ptr<kube::Api> api, std::string name_space,
                                                std::string identity)
{
    return std::make_unique<CertManager>(std::move(api), std::move(name_space), std::move(identity));
}

} // namespace conduit::kubernetes
