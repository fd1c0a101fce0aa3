// SPDX-License-Identifier: Apache-2.0
#include "core/kube/kubeconfig.hpp"
#include "tests/support/catch.hpp"

#include <fmt/format.h>

using namespace conduit;
using namespace conduit::kube;

namespace {

struct Fixture {
    TempDir temp = TempDir::make("conduit-kube").value();
    Places places{.home = temp.path().string(), .account = temp.path() / "account"};

    fs::path write(const std::string& name, const std::string& content) const
    {
        const auto file = temp.path() / name;
        REQUIRE(make_dirs(file.parent_path()));
        REQUIRE(write_file(file, content));
        return file;
    }
    std::string fault(const std::string& content) const
    {
        const auto file = write("fault.yaml", content);
        const auto access = find_access({.only = file}, "");
        return access ? std::string() : access.error().message;
    }
};

constexpr std::string_view k_plain = R"(apiVersion: v1
kind: Config
current-context: prod
clusters:
- name: east
  cluster: {server: "https://10.0.0.1:6443/", certificate-authority: pki/ca.crt}
contexts:
- name: prod
  context: {cluster: east, user: maria, namespace: audio}
users:
- name: maria
  user: {client-certificate-data: Q0VSVA==, client-key: maria.key}
)";

std::string with_user(const std::string& user)
{
    return fmt::format(
        "current-context: a\nclusters: [{{name: a, cluster: {{server: https://a}}}}]\n"
        "contexts: [{{name: a, context: {{cluster: a, user: a}}}}]\nusers:\n- name: a\n  user: {}\n",
        user);
}

} // namespace

TEST_CASE_METHOD(Fixture, "the current context gives cluster, user and namespace, with paths beside the file")
{
    write(".kube/config", std::string(k_plain));
    const auto access = find_access(places, "");
    REQUIRE(access);
    CHECK(access->context == "prod");
    CHECK(access->cluster.server == "https://10.0.0.1:6443");
    CHECK(access->cluster.ca.file == temp.path() / ".kube/pki/ca.crt");
    CHECK(access->name_space == "audio");
    CHECK(access->user.certificate.data == "CERT");
    CHECK(access->user.key.file == temp.path() / ".kube/maria.key");
    CHECK_FALSE(access->cluster.insecure);
}

TEST_CASE_METHOD(Fixture,
                 "files of KUBECONFIG are merged, the first of a name wins, absent ones are passed over")
{
    const auto first =
        write("first", "current-context: two\nclusters: [{name: c, cluster: {server: https://first}}]\n");
    const auto second = write(
        "second", "current-context: one\nclusters: [{name: c, cluster: {server: https://second}}]\n"
                  "contexts: [{name: one, context: {cluster: c}}, {name: two, context: {cluster: c}}]\n");
    places.kubeconfig =
        fmt::format("{}:{}::{}", first.string(), (temp.path() / "absent").string(), second.string());
    const auto access = find_access(places, "");
    REQUIRE(access);
    CHECK(access->context == "two");
    CHECK(access->cluster.server == "https://first");
    CHECK(access->name_space == "default");
    CHECK(find_access(places, "one")->context == "one");
    CHECK(context_names(places).value() == std::vector<std::string>{"one", "two"});
}

TEST_CASE_METHOD(Fixture, "a file that is named must be there, and is the only one")
{
    write(".kube/config", std::string(k_plain));
    places.only = temp.path() / "absent";
    CHECK(find_access(places, "").error().kind == ErrorKind::not_found);
    places.only = write("other", "current-context: x\n");
    CHECK(find_access(places, "prod").error().kind == ErrorKind::not_found);
}

TEST_CASE_METHOD(Fixture, "an unknown context is not found, with the nearest named")
{
    write(".kube/config", std::string(k_plain));
    const auto access = find_access(places, "pord");
    REQUIRE_FALSE(access);
    CHECK(access.error().kind == ErrorKind::not_found);
    CHECK(access.error().message.contains("prod"));
}

TEST_CASE_METHOD(Fixture, "inside a pod its account is used, unless a kubeconfig is there")
{
    places.service_host = "10.96.0.1";
    places.service_port = "443";
    CHECK(find_access(places, "").error().kind == ErrorKind::unreachable); // no token is mounted
    write("account/token", "jwt");
    write("account/namespace", "audio\n");
    auto access = find_access(places, "");
    REQUIRE(access);
    CHECK(access->cluster.server == "https://10.96.0.1:443");
    CHECK(access->cluster.ca.file == places.account / "ca.crt");
    CHECK(access->user.token_file == places.account / "token");
    CHECK(access->name_space == "audio");
    places.service_host = "fd00::1";
    CHECK(find_access(places, "")->cluster.server == "https://[fd00::1]:443");
    write(".kube/config", std::string(k_plain));
    CHECK(find_access(places, "")->context == "prod");
}

TEST_CASE_METHOD(Fixture, "a credential plugin is read whole")
{
    const auto file = write(
        "dir/exec", with_user("{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./bin/login, "
                              "args: [--cluster, east], env: [{name: MODE, value: prod}], "
                              "installHint: get it, provideClusterInfo: true, interactiveMode: Never}}"));
    const auto access = find_access({.only = file}, "");
    REQUIRE(access);
    REQUIRE(access->user.exec);
    const auto& exec = *access->user.exec;
    CHECK(exec.argv ==
          std::vector<std::string>{(temp.path() / "dir/./bin/login").string(), "--cluster", "east"});
    CHECK(exec.env.at("MODE") == "prod");
    CHECK(exec.install_hint == "get it");
    CHECK(exec.provide_cluster_info);
    CHECK(exec.interactive == ExecPlugin::Interactive::never);
}

TEST_CASE_METHOD(Fixture, "tokens, passwords and whom to act as are read")
{
    const auto file = write(
        "users", with_user("{token: t, tokenFile: tok, username: u, password: p, as: jane, as-uid: '7', "
                           "as-groups: [ops, dev]}"));
    const auto user = find_access({.only = file}, "")->user;
    CHECK(user.token == "t");
    CHECK(user.token_file == temp.path() / "tok");
    CHECK(user.username == "u");
    CHECK(user.impersonate == "jane");
    CHECK(user.impersonate_groups == std::vector<std::string>{"ops", "dev"});
}

TEST_CASE_METHOD(Fixture, "what cannot be used says which, and where")
{
    CHECK(fault(with_user("{auth-provider: {name: gcp}}")).contains("fault.yaml:6: auth-provider"));
    CHECK(fault(with_user("{exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}}"))
              .contains("v1alpha1"));
    CHECK(fault(with_user("{exec: {apiVersion: client.authentication.k8s.io/v1}}"))
              .contains("needs 'command'"));
    CHECK(fault(with_user("{client-key-data: '%%%'}")).contains("not base64"));
    CHECK(fault("clusters: {a: b}\n").contains("fault.yaml:1: clusters must be a list"));
    CHECK(fault("clusters: [{cluster: {server: x}}]\n").contains("needs 'name'"));
    CHECK(fault("current-context: a\ncontexts: [{name: a, context: {cluster: gone}}]\n").contains("'gone'"));
    CHECK(fault("- a\n").contains("is a map"));
    CHECK(
        fault("clusters: [{name: a, cluster: {insecure-skip-tls-verify: true, certificate-authority: x}}]\n")
            .contains("exclude each other"));
    CHECK(fault(std::string(100, '[')).contains("fault.yaml"));
}

TEST_CASE_METHOD(Fixture, "certificates come from the data or anew from the file")
{
    CHECK(read_pem({.data = "PEM"}, "certificate").value() == "PEM");
    const auto file = write("a.pem", "one");
    CHECK(read_pem({.file = file}, "certificate").value() == "one");
    write("a.pem", "two");
    CHECK(read_pem({.file = file}, "certificate").value() == "two");
    const auto gone = read_pem({.file = temp.path() / "gone.pem"}, "certificate");
    REQUIRE_FALSE(gone);
    CHECK(gone.error().message.contains("gone.pem"));
}
