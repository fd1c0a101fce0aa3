// SPDX-License-Identifier: Apache-2.0
// Volumes and certificates on a real cluster. No driver grows volumes there and no cert-manager issues
// certificates: the test does their part by hand, as the objects' own documents say it.
#include "core/text.hpp"
#include "tests/contract/releases/cluster_world.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/certificate_maker.hpp"
#include "tests/support/wait.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thread>

using namespace conduit;
using namespace conduit::test;

namespace {

Deadline soon()
{
    return Deadline(30s);
}

std::string claim_path(const ClusterWorld& w, const std::string& name)
{
    return fmt::format("/api/v1/namespaces/{}/persistentvolumeclaims/{}", w.space, name);
}

// Cluster-wide things of a test, gone with it.
struct Removed {
    const ClusterWorld& w;
    std::vector<std::string> paths;
    ~Removed()
    {
        for (const auto& path : paths)
            (void)w.api->remove(path, Json::object(), soon()).has_value();
    }
};

void patch_status(const ClusterWorld& w, const std::string& path, Json status)
{
    const auto written = w.api->patch(path + "/status", kube::PatchType::merge,
                                      Json{{"status", std::move(status)}}, {}, soon());
    INFO((written ? "" : written.error().message));
    REQUIRE(written);
}

// A claim that is bound to a volume of this node's disk.
void claim(const ClusterWorld& w, const std::string& name, const std::string& storage_class, Removed& removed)
{
    const auto volume = w.space + "-" + name;
    w.create("/api/v1/persistentvolumes",
             fmt::format(R"({{"metadata":{{"name":"{}"}},"spec":{{"capacity":{{"storage":"1Gi"}},
                 "accessModes":["ReadWriteOnce"],"storageClassName":"{}","hostPath":{{"path":"/tmp/none"}},
                 "claimRef":{{"namespace":"{}","name":"{}"}}}}}})",
                         volume, storage_class, w.space, name));
    removed.paths.push_back("/api/v1/persistentvolumes/" + volume);
    w.create(fmt::format("/api/v1/namespaces/{}/persistentvolumeclaims", w.space),
             fmt::format(R"({{"metadata":{{"name":"{}"}},"spec":{{"accessModes":["ReadWriteOnce"],
                 "storageClassName":"{}","resources":{{"requests":{{"storage":"1Gi"}}}}}}}})",
                         name, storage_class));
    REQUIRE(eventually([&] { return w.get(claim_path(w, name))["status"]["phase"] == "Bound"; }, 60s));
}

void make_class(const ClusterWorld& w, const std::string& name, bool expands, Removed& removed)
{
    w.create("/apis/storage.k8s.io/v1/storageclasses",
             fmt::format(R"({{"metadata":{{"name":"{}"}},"provisioner":"conduit.test/none",
                 "allowVolumeExpansion":{}}})",
                         name, expands));
    removed.paths.push_back("/apis/storage.k8s.io/v1/storageclasses/" + name);
}

std::string requested(const ClusterWorld& w, const std::string& name)
{
    return w.get(claim_path(w, name))["spec"]["resources"]["requests"]["storage"].get<std::string>();
}

constexpr auto k_crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

void install(const ClusterWorld& w, const std::string& group, const std::string& kind, Removed& removed)
{
    const auto plural = to_lower(kind) + "s";
    w.create(k_crds,
             fmt::format(R"({{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
        "metadata":{{"name":"{0}.{1}"}},"spec":{{"group":"{1}","scope":"Namespaced",
        "names":{{"kind":"{2}","plural":"{0}","singular":"{3}","listKind":"{2}List"}},
        "versions":[{{"name":"v1","served":true,"storage":true,"subresources":{{"status":{{}}}},
        "schema":{{"openAPIV3Schema":{{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}}]}}}})",
                         plural, group, kind, to_lower(kind)));
    removed.paths.push_back(fmt::format("{}/{}.{}", k_crds, plural, group));
}

CertificateWish wish(int days, long serial)
{
    const auto now = system_clock().now();
    return {.not_before = now - std::chrono::hours{1},
            .not_after = now + std::chrono::hours{24 * days},
            .serial = serial};
}

void put_secret(const ClusterWorld& w, const MadeCertificate& made)
{
    const Json data{{"tls.crt", base64_encode(made.certificate)}, {"tls.key", base64_encode(made.key)}};
    const auto path = fmt::format("/api/v1/namespaces/{}/secrets", w.space);
    if (w.get(path + "/web-tls").is_null())
        w.create(path,
                 dump_json(Json{
                     {"metadata", {{"name", "web-tls"}}}, {"type", "kubernetes.io/tls"}, {"data", data}}));
    else
        REQUIRE(w.api->patch(path + "/web-tls", kube::PatchType::merge, Json{{"data", data}}, {}, soon()));
}

} // namespace

TEST_CASE("a volume's request grows as kubectl patch grows it, and is done when it has grown")
{
    CONDUIT_CLUSTER;
    Removed removed{w, {}};
    const auto grows = w.space + "-grows", rigid = w.space + "-rigid";
    make_class(w, grows, true, removed);
    make_class(w, rigid, false, removed);
    claim(w, "data", grows, removed);
    claim(w, "twin", grows, removed);
    claim(w, "fixed", rigid, removed);
    const auto refused = w.run({"volume", "expand", "fixed", "--size", "2Gi", "-y"});
    CHECK(refused.code == 3);
    CHECK(refused.err.contains("does not allow to grow"));
    CHECK(w.run({"volume", "expand", "data", "--size", "512Mi", "-y"}).code == 3);
    std::jthread driver([&] {
        if (eventually([&] { return requested(w, "data") == "2Gi"; }, 30s)) {
            patch_status(w, claim_path(w, "data"),
                         {{"conditions", {{{"type", "Resizing"}, {"status", "True"}}}}});
            patch_status(w, claim_path(w, "data"),
                         {{"conditions", Json::array()}, {"capacity", {{"storage", "2Gi"}}}});
        }
    });
    const auto grown = w.run({"volume", "expand", "data", "--size", "2Gi", "-y", "-o", "json"});
    driver.join();
    INFO(grown.err);
    CHECK(grown.code == 0);
    CHECK(grown.json()["verified"] == true);
    w.kubectl({"patch", "pvc", "twin", "-p", R"({"spec":{"resources":{"requests":{"storage":"2Gi"}}}})"});
    CHECK(w.get(claim_path(w, "data"))["spec"]["resources"] ==
          w.get(claim_path(w, "twin"))["spec"]["resources"]);
    // Nobody grows this one any further: said with what it waits for, and it stays requested.
    std::jthread waiting([&] {
        if (eventually([&] { return requested(w, "twin") == "3Gi"; }, 30s))
            patch_status(w, claim_path(w, "twin"),
                         {{"conditions", {{{"type", "FileSystemResizePending"}, {"status", "True"}}}}});
    });
    const auto pending = w.run({"volume", "expand", "twin", "--size", "3Gi", "-y", "--timeout", "3s"});
    waiting.join();
    INFO(pending.err);
    CHECK(pending.code == 11);
    CHECK(pending.err.contains("FileSystemResizePending"));
    const auto listed = w.run({"volume", "ls", "-o", "json"}).json()["items"];
    CHECK(listed.size() == 3);
}

TEST_CASE("a certificate is shown, renewed as cmctl does it, watched, and checked against what serves")
{
    CONDUIT_CLUSTER;
    const auto refused = w.run({"cert", "ls"});
    CHECK(refused.code == 3);
    CHECK(refused.err.contains("no cert-manager"));
    Removed removed{w, {}};
    install(w, "cert-manager.io", "Certificate", removed);
    install(w, "cert-manager.io", "CertificateRequest", removed);
    install(w, "acme.cert-manager.io", "Order", removed);
    REQUIRE(eventually([&] { return w.run({"cert", "ls"}).code == 0; }, 30s));
    const auto folder = fmt::format("/apis/cert-manager.io/v1/namespaces/{}/", w.space);
    const auto path = folder + "certificates/web";
    REQUIRE(eventually([&] {
        return w.api
            ->create(folder + "certificates",
                     parse_json(R"({"apiVersion":"cert-manager.io/v1","kind":"Certificate",
                         "metadata":{"name":"web"},"spec":{"secretName":"web-tls","dnsNames":["api.example"],
                         "issuerRef":{"name":"letsencrypt","kind":"ClusterIssuer"}}})")
                         .value(),
                     {}, soon())
            .has_value();
    }));
    put_secret(w, make_certificate(wish(5, 0x11)));
    const Json ready{{"type", "Ready"}, {"status", "True"}, {"reason", "Ready"}};
    patch_status(w, path, {{"revision", 1}, {"conditions", {ready}}, {"notAfter", "2030-01-01T00:00:00Z"}});
    CHECK(w.run({"cert", "check", "web"}).code == 13); // ends in five days
    std::jthread manager([&] {
        const auto issuing = [&] {
            const auto status = w.get(path)["status"];
            return status["conditions"].size() == 2 && status["conditions"][1]["type"] == "Issuing";
        };
        if (!eventually(issuing, 30s))
            return;
        const auto uid = w.get(path)["metadata"]["uid"].get<std::string>();
        w.create(folder + "certificaterequests",
                 fmt::format(R"({{"apiVersion":"cert-manager.io/v1","kind":"CertificateRequest",
                     "metadata":{{"name":"web-2","ownerReferences":[{{"apiVersion":"cert-manager.io/v1",
                     "kind":"Certificate","name":"web","uid":"{}","controller":true}}]}}}})",
                             uid));
        put_secret(w, make_certificate(wish(90, 0x22)));
        patch_status(w, path, {{"revision", 2}, {"conditions", {ready}}});
    });
    const auto uid_before = w.get(path)["metadata"]["uid"];
    const auto renewed = w.run({"cert", "renew", "web", "-o", "json"});
    manager.join();
    INFO(renewed.err);
    CHECK(renewed.code == 0);
    CHECK(renewed.json()["serial_before"] == "11");
    CHECK(renewed.json()["serial"] == "22");
    CHECK(w.get(path)["metadata"]["uid"] == uid_before); // the same object, never made anew
    const auto listed = w.run({"cert", "ls", "-o", "json"}).json()["items"];
    CHECK(listed[0]["ready"] == true);
    CHECK(w.kubectl({"get", "certificates", "-o", "name"}).out.contains("/web"));
    const auto shown = w.run({"cert", "show", "web", "-o", "json"}).json();
    CHECK(shown["items"][0]["name"] == "web-2");
    CHECK(shown["stored"]["key_matches"] == true);
    CHECK(w.run({"cert", "check", "web", "--not-serial", "11"}).code == 0);
    CHECK(w.run({"cert", "watch", "web"}).code == 0);
    // The API server is a TLS server as well: it serves something else.
    const auto server = replace_all(w.api->transport().server(), "https://", "");
    const auto served = w.run({"cert", "check", "web", "--endpoint", server, "-o", "json"});
    INFO(served.out << served.err);
    CHECK(served.code == 13);
    CHECK(served.out.contains("the server has not loaded it"));
}
