// SPDX-License-Identifier: Apache-2.0
// The transport against a real TLS server of another make, with certificates of its own.
#include "core/kube/transport.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/wait.hpp"

#include <atomic>
#include <cstdlib>
#include <fmt/format.h>
#include <httplib.h>
#include <mutex>
#include <thread>

using namespace conduit;
using namespace conduit::kube;
using conduit::test::eventually;

namespace {

// Authorities "servers" and "clients"; a server's certificate for api.test only.
struct Certificates {
    TempDir temp = TempDir::make("conduit-pki").value();
    fs::path file(const std::string& name) const { return temp.path() / name; }
    void openssl(std::vector<std::string> words) const
    {
        words.insert(words.begin(), "openssl");
        const auto ran = run_process({.argv = words, .cwd = temp.path()}, Deadline(30s));
        REQUIRE(ran);
        INFO(ran->err);
        REQUIRE(ran->exit_code == 0);
    }
    void authority(const std::string& name) const
    {
        openssl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                 "2", "-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name + ".pem"});
    }
    void issue(const std::string& authority, const std::string& name, const std::string& names,
               const std::string& days = "2") const
    {
        openssl({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                 "/CN=" + name, "-keyout", name + ".key", "-out", name + ".csr"});
        REQUIRE(write_file(file("ext"), "subjectAltName=" + names));
        openssl({"x509", "-req", "-in", name + ".csr", "-CA", authority + ".pem", "-CAkey",
                 authority + ".key", "-CAcreateserial", "-days", days, "-extfile", "ext", "-out",
                 name + ".pem"});
    }
    Certificates()
    {
        authority("servers");
        authority("clients");
        issue("servers", "api", "DNS:api.test,IP:127.0.0.1");
        issue("servers", "named", "DNS:api.test");
        issue("clients", "maria", "DNS:maria");
        issue("clients", "late", "DNS:late", "-1");
    }
    std::string text(const std::string& name) const { return read_file(file(name)).value(); }
};

const Certificates& certificates()
{
    static const Certificates k_certificates;
    return k_certificates;
}

struct ApiServer {
    httplib::SSLServer server;
    int port;
    std::atomic<int> requests{0};
    std::atomic<bool> hold{true};
    std::thread thread;

    explicit ApiServer(const std::string& certificate = "api", bool ask_clients = false)
        : server(certificates().file(certificate + ".pem").c_str(),
                 certificates().file(certificate + ".key").c_str(),
                 ask_clients ? certificates().file("clients.pem").c_str() : nullptr)
    {
        server.set_pre_routing_handler([this](const httplib::Request&, httplib::Response&) {
            ++requests;
            return httplib::Server::HandlerResponse::Unhandled;
        });
        server.Get("/api/v1/pods", [](const httplib::Request& request, httplib::Response& answer) {
            if (request.get_header_value("Authorization") == "Bearer stale")
                answer.status = 401;
            answer.set_content(request.get_header_value("Authorization") + "|" +
                                   request.get_header_value("Host") + "|" +
                                   request.get_header_value("Impersonate-User"),
                               "text/plain");
        });
        server.Get("/client", [](const httplib::Request& request, httplib::Response& answer) {
            answer.set_content(std::to_string(request.remote_port), "text/plain");
        });
        server.Patch("/thing", [](const httplib::Request& request, httplib::Response& answer) {
            answer.set_content(request.get_header_value("Content-Type") + "|" + request.body, "text/plain");
        });
        server.Get("/watch", [this](const httplib::Request&, httplib::Response& answer) {
            answer.set_chunked_content_provider("application/json",
                                                [this](std::size_t, httplib::DataSink& sink) {
                                                    sink.write("one\n", 4);
                                                    eventually([&] { return !hold.load(); }, 20s);
                                                    sink.write("two\n", 4);
                                                    sink.done();
                                                    return true;
                                                });
        });
        server.Get("/hang", [this](const httplib::Request&, httplib::Response&) {
            eventually([&] { return !hold.load(); }, 20s);
        });
        port = server.bind_to_any_port("127.0.0.1");
        thread = std::thread([this] { server.listen_after_bind(); });
        eventually([&] { return server.is_running(); });
    }
    ~ApiServer()
    {
        hold = false;
        server.stop();
        thread.join();
    }
    Access access(const std::string& host = "127.0.0.1") const
    {
        Access out;
        out.cluster = {.name = "t", .server = fmt::format("https://{}:{}", host, port)};
        out.cluster.ca.data = certificates().text("servers.pem");
        return out;
    }
};

std::unique_ptr<Transport> transport_to(const Access& access, const Cancel* cancel = nullptr)
{
    return make_transport(access, make_credentials(access, system_clock()), cancel);
}

const Call k_pods{.path = "/api/v1/pods"};

} // namespace

TEST_CASE("a server of the kubeconfig's authority is believed, any other is not reached")
{
    const ApiServer server;
    auto access = server.access();
    access.user.token = "t";
    access.user.impersonate = "jane";
    const auto answer = transport_to(access)->send(k_pods, Deadline(5s));
    REQUIRE(answer);
    CHECK(answer->status == 200);
    CHECK(answer->body == fmt::format("Bearer t|127.0.0.1:{}|jane", server.port));
    CHECK(answer->header("content-type") == "text/plain");

    access.cluster.ca.data = certificates().text("clients.pem");
    const auto stranger = transport_to(access)->send(k_pods, Deadline(5s));
    REQUIRE_FALSE(stranger);
    CHECK(stranger.error().kind == ErrorKind::unreachable);

    access.cluster.ca = {};
    CHECK(transport_to(access)->send(k_pods, Deadline(5s)).error().kind == ErrorKind::unreachable);
    access.cluster.insecure = true; // only when the file says so
    CHECK(transport_to(access)->send(k_pods, Deadline(5s)));
}

TEST_CASE("where the kubeconfig names an authority, those of the system are not believed")
{
    const ApiServer server;
    auto access = server.access();
    REQUIRE(::setenv("SSL_CERT_FILE", certificates().file("servers.pem").c_str(), 1) == 0);
    access.cluster.ca = {};
    const auto system = transport_to(access)->send(k_pods, Deadline(5s));
    access.cluster.ca.data = certificates().text("clients.pem");
    const auto stranger = transport_to(access)->send(k_pods, Deadline(5s));
    ::unsetenv("SSL_CERT_FILE");
    CHECK(system);
    REQUIRE_FALSE(stranger);
    CHECK(stranger.error().kind == ErrorKind::unreachable);
}

TEST_CASE("the certificate's name counts, and tls-server-name says another one")
{
    const ApiServer server("named");
    auto access = server.access();
    CHECK(transport_to(access)->send(k_pods, Deadline(5s)).error().kind == ErrorKind::unreachable);
    access.cluster.tls_server_name = "api.test";
    const auto answer = transport_to(access)->send(k_pods, Deadline(5s));
    REQUIRE(answer);
    CHECK(answer->status == 200);
    access.cluster.tls_server_name = "other.test";
    CHECK(transport_to(access)->send(k_pods, Deadline(5s)).error().kind == ErrorKind::unreachable);
}

TEST_CASE("our certificate is shown from memory, and one that does not fit is told before anything is sent")
{
    const ApiServer server("api", true);
    auto access = server.access();
    CHECK_FALSE(transport_to(access)->send(k_pods, Deadline(5s)));
    access.user.certificate.data = certificates().text("maria.pem");
    access.user.key.file = certificates().file("maria.key");
    const auto answer = transport_to(access)->send(k_pods, Deadline(5s));
    REQUIRE(answer);
    CHECK(answer->status == 200);
    const int before = server.requests;
    access.user.key.file = certificates().file("api.key");
    const auto swapped = transport_to(access)->send(k_pods, Deadline(5s));
    REQUIRE_FALSE(swapped);
    CHECK(swapped.error().kind == ErrorKind::auth);
    access.user.key = {.data = "nonsense"};
    CHECK(transport_to(access)->send(k_pods, Deadline(5s)).error().message.contains("no PEM key"));
    CHECK(server.requests == before);
}

TEST_CASE("a server that turns away a certificate that has expired is explained, any other is not")
{
    const ApiServer server;
    auto access = server.access();
    access.user.name = "maria";
    access.user.token = "stale"; // a 401, as of a Kubernetes API server
    access.user.certificate.data = certificates().text("late.pem");
    access.user.key.data = certificates().text("late.key");
    const auto late = transport_to(access)->send(k_pods, Deadline(5s));
    REQUIRE_FALSE(late);
    CHECK(late.error().kind == ErrorKind::auth);
    CHECK(late.error().message.starts_with(
        "the client certificate of user maria in the kubeconfig expired at 20"));
    access.user.certificate.data = certificates().text("maria.pem");
    access.user.key.data = certificates().text("maria.key");
    CHECK(transport_to(access)->send(k_pods, Deadline(5s))->status == 401);
}

TEST_CASE("a refused token is read anew, once")
{
    const ApiServer server;
    auto access = server.access();
    access.user.token_file = certificates().file("token");
    REQUIRE(write_file(access.user.token_file, "stale"));
    const auto transport = transport_to(access);
    CHECK(transport->send(k_pods, Deadline(5s))->status == 401);
    CHECK(server.requests == 2);
    REQUIRE(write_file(access.user.token_file, "fresh")); // within the minute for which a file is trusted
    CHECK(transport->send(k_pods, Deadline(5s))->status == 200);
    CHECK(server.requests == 4);
    CHECK(transport->send(k_pods, Deadline(5s))->status == 200);
    CHECK(server.requests == 5);
}

TEST_CASE("connections are used again, and a write carries its type")
{
    const ApiServer server;
    const auto transport = transport_to(server.access());
    const auto first = transport->send({.path = "/client"}, Deadline(5s));
    const auto second = transport->send({.path = "/client"}, Deadline(5s));
    REQUIRE(second);
    CHECK(first->body == second->body); // the same port of ours
    int sent = 0;
    const auto patched = transport->send({.method = "PATCH",
                                          .path = "/thing",
                                          .body = "{}",
                                          .content_type = "application/apply-patch+yaml",
                                          .on_sent = [&] { ++sent; }},
                                         Deadline(5s));
    REQUIRE(patched);
    CHECK(patched->body == "application/apply-patch+yaml|{}");
    CHECK(sent == 1);
}

TEST_CASE("a stream gives pieces as they come and ends when it is told to")
{
    ApiServer server;
    const auto transport = transport_to(server.access());
    std::string seen;
    const auto first = transport->stream(
        {.path = "/watch"},
        [&](std::string_view piece) {
            seen += piece;
            return false;
        },
        Deadline(5s));
    REQUIRE(first);
    CHECK(first->status == 200);
    CHECK(seen == "one\n");
    seen.clear();
    const auto whole = transport->stream(
        {.path = "/watch"},
        [&](std::string_view piece) {
            seen += piece;
            server.hold = false;
            return true;
        },
        Deadline(5s));
    REQUIRE(whole);
    CHECK(seen == "one\ntwo\n");
    const auto missing =
        transport->stream({.path = "/absent"}, [](std::string_view) { return true; }, Deadline(5s));
    REQUIRE(missing);
    CHECK(missing->status == 404);
}

TEST_CASE("time and a stop end what hangs: unknown after sending, a stream just ends")
{
    const ApiServer server;
    const auto late = transport_to(server.access())->send({.path = "/hang"}, Deadline(1s));
    REQUIRE_FALSE(late);
    CHECK(late.error().kind == ErrorKind::unknown);
    CHECK(late.error().message.contains("in time"));
    const auto ended = transport_to(server.access())
                           ->stream({.path = "/watch"}, [](std::string_view) { return true; }, Deadline(1s));
    INFO((ended ? "" : ended.error().message + ": " + ended.error().cause));
    REQUIRE(ended);
    CHECK(ended->status == 200);
    Cancel cancel;
    std::thread stopper([&] {
        eventually([&] { return server.requests >= 3; });
        cancel.request();
    });
    const auto stopped = transport_to(server.access(), &cancel)->send({.path = "/hang"}, Deadline(20s));
    stopper.join();
    REQUIRE_FALSE(stopped);
    CHECK(stopped.error().kind == ErrorKind::interrupted);
}

TEST_CASE("where nobody listens it is unreachable, with the address")
{
    Access access;
    access.cluster.server = "https://127.0.0.1:9";
    const auto answer = transport_to(access)->send(k_pods, Deadline(5s));
    REQUIRE_FALSE(answer);
    CHECK(answer.error().kind == ErrorKind::unreachable);
    CHECK(answer.error().message.contains("https://127.0.0.1:9"));
    access.cluster.server = "https://no-such-host.invalid:6443";
    access.cluster.tls_server_name = "x";
    CHECK(transport_to(access)->send(k_pods, Deadline(5s)).error().kind == ErrorKind::unreachable);
    access.cluster.proxy_url = "socks5://127.0.0.1:1";
    access.cluster.tls_server_name.clear();
    CHECK(transport_to(access)->send(k_pods, Deadline(5s)).error().kind == ErrorKind::usage);
}
