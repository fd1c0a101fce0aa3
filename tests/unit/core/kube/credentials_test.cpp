// SPDX-License-Identifier: Apache-2.0
#include "core/json.hpp"
#include "core/kube/credentials.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/manual_clock.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::kube;
using conduit::test::ManualClock;

namespace {

const Deadline k_soon(5s);

std::string authorization(Credentials& credentials, bool refused = false)
{
    const auto identity = credentials.get(refused, k_soon);
    if (!identity)
        return "error: " + identity.error().message + identity.error().cause;
    for (const auto& [name, value] : identity->headers)
        if (name == "Authorization")
            return value;
    return {};
}

// A plugin whose answers are given beforehand; the last one stays.
struct Plugin {
    std::vector<ProcessResult> answers;
    std::vector<ProcessSpec> asked;
    Access access{.context = "a", .cluster = {.name = "a", .server = "https://a", .ca = {.data = "CA"}}};
    ManualClock clock;

    Plugin()
    {
        access.user.exec = ExecPlugin{.api_version = "client.authentication.k8s.io/v1", .argv = {"login"}};
    }
    std::unique_ptr<Credentials> credentials()
    {
        return make_credentials(access, clock,
                                [this](const ProcessSpec& spec, Deadline) -> Result<ProcessResult> {
                                    asked.push_back(spec);
                                    return answers.at(std::min(asked.size(), answers.size()) - 1);
                                });
    }
    void answer(const std::string& status)
    {
        answers.push_back({.exit_code = 0,
                           .out = fmt::format(R"({{"apiVersion":"client.authentication.k8s.io/v1",)"
                                              R"("kind":"ExecCredential","status":{}}})",
                                              status)});
    }
};

} // namespace

TEST_CASE("a token, a password, and whom to act as become headers")
{
    ManualClock clock;
    Access access{.user = {.token = "t", .impersonate = "jane", .impersonate_groups = {"ops", "dev"}}};
    const auto identity = make_credentials(access, clock)->get(false, k_soon).value();
    CHECK(identity.headers == std::vector<std::pair<std::string, std::string>>{{"Authorization", "Bearer t"},
                                                                               {"Impersonate-User", "jane"},
                                                                               {"Impersonate-Group", "ops"},
                                                                               {"Impersonate-Group", "dev"}});
    access.user = {.username = "u", .password = "p"};
    CHECK(authorization(*make_credentials(access, clock)) == "Basic dTpw");
    access.user = {.certificate = {.file = "a.pem"}, .key = {.file = "a.key"}};
    const auto plain = make_credentials(access, clock)->get(false, k_soon).value();
    CHECK(plain.headers.empty());
    CHECK(plain.certificate.file == "a.pem");
}

TEST_CASE("a token file is read anew after a minute, and at once when it was refused")
{
    const auto temp = TempDir::make().value();
    const auto file = temp.path() / "token";
    ManualClock clock;
    const auto credentials = make_credentials({.user = {.token = "old", .token_file = file}}, clock);
    CHECK(authorization(*credentials).starts_with("error: cannot read the token"));
    REQUIRE(write_file(file, "one\n"));
    CHECK(authorization(*credentials) == "Bearer one");
    REQUIRE(write_file(file, "two\n"));
    CHECK(authorization(*credentials) == "Bearer one");
    CHECK(authorization(*credentials, true) == "Bearer two");
    REQUIRE(write_file(file, "three\n"));
    clock.advance(60s);
    CHECK(authorization(*credentials) == "Bearer three");
    REQUIRE(remove_file(file)); // while it is being replaced the last one stays
    clock.advance(60s);
    CHECK(authorization(*credentials) == "Bearer three");
}

TEST_CASE("a plugin is asked once while its token holds, and again before it ends or when it was refused")
{
    Plugin plugin;
    plugin.answer(R"({"token":"one","expirationTimestamp":"2026-11-22T15:04:00Z"})");
    plugin.answer(R"({"token":"two","expirationTimestamp":"2026-11-22T16:04:00Z"})");
    plugin.answer(R"({"token":"three"})");
    const auto credentials = plugin.credentials();
    CHECK(authorization(*credentials) == "Bearer one");
    CHECK(authorization(*credentials) == "Bearer one");
    CHECK(plugin.asked.size() == 1);
    plugin.clock.advance(3595s);
    CHECK(authorization(*credentials) == "Bearer two");
    CHECK(authorization(*credentials, true) == "Bearer three");
    plugin.clock.advance(24h);
    CHECK(authorization(*credentials) == "Bearer three"); // without an end it holds
    CHECK(plugin.asked.size() == 3);
}

TEST_CASE("a plugin is told of the cluster only where the file says so")
{
    Plugin plugin;
    plugin.answer(R"({"token":"one"})");
    (void)authorization(*plugin.credentials());
    auto info = parse_json(plugin.asked.at(0).env.at("KUBERNETES_EXEC_INFO")).value();
    CHECK(info["kind"] == "ExecCredential");
    CHECK(info["spec"] == Json{{"interactive", false}});
    plugin.access.user.exec->provide_cluster_info = true;
    (void)authorization(*plugin.credentials());
    info = parse_json(plugin.asked.at(1).env.at("KUBERNETES_EXEC_INFO")).value();
    CHECK(info["spec"]["cluster"] == Json{{"server", "https://a"}, {"certificate-authority-data", "Q0E="}});
}

TEST_CASE("a plugin may give a certificate with its key")
{
    Plugin plugin;
    plugin.answer(R"({"clientCertificateData":"CERT","clientKeyData":"KEY"})");
    const auto identity = plugin.credentials()->get(false, k_soon).value();
    CHECK(identity.certificate.data == "CERT");
    CHECK(identity.key.data == "KEY");
    CHECK(identity.headers.empty());
}

TEST_CASE("a plugin that fails or talks nonsense is an authentication error that says what it did")
{
    const auto error_of = [](const ProcessResult& answer) {
        Plugin plugin;
        plugin.answers.push_back(answer);
        const auto identity = plugin.credentials()->get(false, k_soon);
        REQUIRE_FALSE(identity);
        CHECK(identity.error().kind == ErrorKind::auth);
        return identity.error().message + " " + identity.error().cause;
    };
    CHECK(error_of({.exit_code = 3, .err = "session expired\n"}).contains("ended with 3 session expired"));
    CHECK(error_of({.out = "hello"}).contains("not JSON"));
    CHECK(error_of({.out = R"({"apiVersion":"client.authentication.k8s.io/v1beta1"})"}).contains("v1beta1"));
    const auto with_status = [&](const std::string& status) {
        Plugin plugin;
        plugin.answer(status);
        return error_of(plugin.answers.front());
    };
    CHECK(with_status("7").contains("no status"));
    CHECK(with_status("{}").contains("neither a token"));
    CHECK(with_status(R"({"clientKeyData":"KEY"})").contains("without its key"));
    CHECK(with_status(R"({"token":"t","expirationTimestamp":"soon"})").contains("'soon' is no time"));
}

TEST_CASE("a plugin that is not there gives the file's advice")
{
    ManualClock clock;
    Access access;
    access.user.exec = ExecPlugin{.api_version = "client.authentication.k8s.io/v1",
                                  .argv = {"/no/such/login"},
                                  .install_hint = "Install it with apt."};
    const auto identity = make_credentials(access, clock)->get(false, k_soon);
    REQUIRE_FALSE(identity);
    CHECK(identity.error().kind == ErrorKind::auth);
    CHECK(identity.error().hint == "Install it with apt.");
}
