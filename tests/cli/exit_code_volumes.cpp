// SPDX-License-Identifier: Apache-2.0
// Volumes and certificates, against an API server in memory.
#include "core/text.hpp"
#include "tests/cli/exit_codes.hpp"
#include "tests/support/fakes/certificate_maker.hpp"

#include <nlohmann/json.hpp>

namespace conduit::test {
namespace {

using enum ErrorKind;

constexpr auto k_claim = "/api/v1/namespaces/production/persistentvolumeclaims/data";
constexpr auto k_class = "/apis/storage.k8s.io/v1/storageclasses/fast";
constexpr auto k_certificate = "/apis/cert-manager.io/v1/namespaces/production/certificates/web";
constexpr auto k_secret = "/api/v1/namespaces/production/secrets/web-tls";

// Whenever a client has written, what a driver would do is done.
void and_then(FakeCluster& cluster, std::function<void()> more)
{
    cluster.controllers = [old = cluster.controllers, more = std::move(more)] {
        if (old)
            old();
        more();
    };
}

void add_volume(Stage& s)
{
    auto& cluster = s.world.cluster;
    cluster.put(k_class, Json{{"allowVolumeExpansion", true}});
    cluster.put(k_claim, Json{{"spec",
                               {{"storageClassName", "fast"},
                                {"volumeName", "pv-1"},
                                {"resources", {{"requests", {{"storage", "1Gi"}}}}}}},
                              {"status", {{"phase", "Bound"}, {"capacity", {{"storage", "1Gi"}}}}}});
    and_then(cluster, [&cluster] {
        auto claim = cluster.at(k_claim);
        if (claim.is_null() || claim["status"]["capacity"] == claim["spec"]["resources"]["requests"])
            return;
        claim["status"]["capacity"] = claim["spec"]["resources"]["requests"];
        cluster.put(k_claim, std::move(claim));
    });
}

Json secret_of(const MadeCertificate& made)
{
    return Json{
        {"type", "kubernetes.io/tls"},
        {"data", {{"tls.crt", base64_encode(made.certificate)}, {"tls.key", base64_encode(made.key)}}}};
}

void add_certificate(Stage& s)
{
    auto& cluster = s.world.cluster;
    const auto now = s.world.app.clock.now();
    const CertificateWish wish{.not_before = now - std::chrono::hours{24},
                               .not_after = now + std::chrono::hours{24 * 60}};
    cluster.served["cert-manager.io/v1"] = {{"certificates", ""}, {"certificaterequests", ""}};
    cluster.put(k_secret, secret_of(make_certificate(wish)));
    cluster.put(
        k_certificate,
        Json{{"metadata", {{"uid", "u-1"}}},
             {"spec", {{"secretName", "web-tls"}, {"dnsNames", {"api.example"}}}},
             {"status", {{"revision", 1}, {"conditions", {{{"type", "Ready"}, {"status", "True"}}}}}}});
    and_then(cluster, [&cluster, wish] {
        auto certificate = cluster.at(k_certificate);
        auto& conditions = certificate["status"]["conditions"];
        if (certificate.is_null() || conditions.size() < 2 || conditions[1]["status"] != "True")
            return;
        conditions.erase(1);
        certificate["status"]["revision"] = certificate["status"]["revision"].get<int>() + 1;
        auto next = wish;
        next.serial = 2;
        cluster.put(k_secret, secret_of(make_certificate(next)));
        cluster.put(k_certificate, std::move(certificate));
    });
}

void grow_meanwhile(Stage& s)
{
    s.world.cluster_fault = [&s](const kube::Call& call) -> std::optional<Result<kube::Answer>> {
        if (call.method == "PATCH" && call.path.contains("persistentvolumeclaims")) {
            auto claim = s.world.cluster.at(k_claim);
            claim["spec"]["resources"]["requests"]["storage"] = "3Gi";
            s.world.cluster.put(k_claim, std::move(claim));
        }
        return std::nullopt;
    };
}

void no_manager(Stage& s)
{
    s.world.cluster.served.erase("cert-manager.io/v1");
}

void now_issuing(Stage& s, const char* status, const char* reason)
{
    s.world.cluster.controllers = nullptr;
    auto certificate = s.world.cluster.at(k_certificate);
    certificate["status"]["conditions"] = Json::array(
        {{{"type", "Ready"}, {"status", "False"}, {"reason", reason}},
         {{"type", "Issuing"}, {"status", status}, {"reason", reason}, {"message", "the order is invalid"}}});
    s.world.cluster.put(k_certificate, std::move(certificate));
}

} // namespace

std::vector<Case> volume_cases()
{
    static const Faults expanding = patch_faults("persistentvolumeclaims/data", grow_meanwhile);
    static const Faults renewing = patch_faults("certificates/web", {});
    const auto* read = &cluster_read_faults();
    const Inject not_ours = [](Stage& s) {
        s.world.more = [](App& app) {
            app.volumes_slot.set([](App&) -> Result<std::unique_ptr<Volumes>> {
                return fail(refused, "claims on volumes are of a cluster");
            });
        };
    };
    const Inject ended = [](Stage& s) { s.words.insert(s.words.end(), {"--fail-within", "2000h"}); };
    const Inject on_the_way = [](Stage& s) {
        now_issuing(s, "True", "ManuallyTriggered");
        s.words.insert(s.words.end(), {"--timeout", "1ms"});
    };
    const Inject broken = [](Stage& s) { now_issuing(s, "False", "Failed"); };
    return {
        {.verb = "volume ls",
         .words = {"volume", "ls"},
         .faults = read,
         .more = {{refused, not_ours}},
         .before = add_volume},
        {.verb = "volume inspect",
         .words = {"volume", "inspect", "data"},
         .faults = read,
         .more = {{refused, not_ours}},
         .before = add_volume},
        {.verb = "volume expand",
         .words = {"volume", "expand", "data", "--size", "2Gi", "-y"},
         .faults = &expanding,
         .before = add_volume},
        {.verb = "cert ls",
         .words = {"cert", "ls"},
         .faults = read,
         .more = {{refused, no_manager}},
         .before = add_certificate},
        {.verb = "cert show",
         .words = {"cert", "show", "web"},
         .faults = read,
         .more = {{refused, no_manager}},
         .before = add_certificate},
        {.verb = "cert check",
         .words = {"cert", "check", "web"},
         .faults = read,
         .more = {{refused, no_manager}, {breached, ended}},
         .before = add_certificate},
        {.verb = "cert renew",
         .words = {"cert", "renew", "web"},
         .faults = &renewing,
         .more = {{refused, no_manager}},
         .before = add_certificate},
        {.verb = "cert watch",
         .words = {"cert", "watch", "web"},
         .faults = read,
         .more = {{refused, no_manager}, {unverified, on_the_way}, {breached, broken}},
         .before = add_certificate},
    };
}

} // namespace conduit::test
