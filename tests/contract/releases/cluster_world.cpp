// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/releases/cluster_world.hpp"

#include "cli/orchestrator/kubernetes/objects.hpp"
#include "core/text.hpp"
#include "core/ulid.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/wait.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::test {
namespace {

const kube::Resource k_spaces{.plural = "namespaces", .namespaced = false};

Deadline soon()
{
    return Deadline(30s);
}

std::string variable(const char* name)
{
    const char* value = std::getenv(name); // NOLINT(concurrency-mt-unsafe)
    return value == nullptr ? "" : value;
}

std::string find_kubectl()
{
    for (const auto& place : {variable("HOME") + "/.cache/conduit-cluster/bin/kubectl",
                              std::string("/usr/bin/kubectl"), std::string("/usr/local/bin/kubectl")})
        if (fs::exists(place))
            return place;
    return {};
}

Ran ran(const Result<ProcessResult>& result)
{
    REQUIRE(result);
    return {result->exit_code, result->out, result->err};
}

} // namespace

bool has_cluster()
{
    if (!variable("CONDUIT_TEST_KUBECONFIG").empty())
        return true;
    if (variable("CONDUIT_REQUIRE").contains("cluster"))
        FAIL("CONDUIT_TEST_KUBECONFIG names no cluster");
    WARN("CONDUIT_TEST_KUBECONFIG names no cluster: skipped");
    return false;
}

Json Ran::json() const
{
    auto parsed = parse_json(out);
    return parsed ? *parsed : Json();
}

Json Ran::error() const
{
    auto parsed = parse_json(err.substr(std::min(err.find("{\"error\""), err.size())));
    return parsed ? (*parsed)["error"] : Json();
}

ClusterWorld::ClusterWorld()
    : home_(TempDir::make("conduit-releases").value()), kubectl_(find_kubectl()),
      kubeconfig_(variable("CONDUIT_TEST_KUBECONFIG"))
{
    const auto access = kube::find_access({.only = kubeconfig_}, "").value();
    api = std::make_unique<kube::Api>(
        kube::make_transport(access, kube::make_credentials(access, system_clock())), system_clock());
    space = "k2-releases-" + to_lower(make_ulid(system_clock().now()).substr(10));
    REQUIRE(
        api->create(kube::resource_path(k_spaces, ""), Json{{"metadata", {{"name", space}}}}, {}, soon()));
    const auto folder = home_.path() / "config/conduitctl";
    REQUIRE(make_dirs(folder));
    REQUIRE(write_file(folder / "config.yaml",
                       fmt::format("current-context: k\ncontexts:\n  k:\n    orchestrator: kubernetes\n"
                                   "    kubernetes: {{kubeconfig: {}, namespace: {}}}\n",
                                   kubeconfig_, space)));
    REQUIRE(eventually([&] { // pods need it
        return api->get(fmt::format("/api/v1/namespaces/{}/serviceaccounts/default", space), soon())
            .has_value();
    }));
}

ClusterWorld::~ClusterWorld()
{
    (void)api->remove(kube::resource_path(k_spaces, "", space), Json::object(), soon()).has_value();
}

Ran ClusterWorld::run(Words words) const
{
    words.insert(words.begin(), std::string(CONDUIT_BIN_DIR) + "/conduitctl");
    return ran(run_process({.argv = words,
                            .env = {{"HOME", home_.path().string()},
                                    {"PATH", "/usr/bin:/bin"},
                                    {"TERM", "dumb"},
                                    {"CONDUIT_OPERATOR", "maria"},
                                    {"ASAN_OPTIONS", variable("ASAN_OPTIONS")},
                                    {"XDG_CONFIG_HOME", (home_.path() / "config").string()},
                                    {"XDG_STATE_HOME", (home_.path() / "state").string()},
                                    {"XDG_CACHE_HOME", (home_.path() / "cache").string()},
                                    {"XDG_DATA_HOME", (home_.path() / "data").string()}}},
                           Deadline(180s)));
}

Ran ClusterWorld::kubectl(Words words) const
{
    Words argv{kubectl_, "--kubeconfig", kubeconfig_, "--namespace", space};
    argv.insert(argv.end(), words.begin(), words.end());
    auto done = ran(run_process(
        {.argv = argv, .env = {{"HOME", home_.path().string()}, {"PATH", "/usr/bin:/bin"}}}, Deadline(60s)));
    INFO(join(words, " ") << "\n" << done.err);
    REQUIRE(done.code == 0);
    return done;
}

void ClusterWorld::create(const std::string& path, const std::string& text) const
{
    const auto made = api->create(path, parse_json(text).value(), {}, soon());
    INFO((made ? "" : made.error().message));
    REQUIRE(made);
}

void ClusterWorld::deploy(const std::string& name, int replicas, const std::string& image,
                          const std::string& script, bool sidecar) const
{
    const auto container = [&](const std::string& called, const std::string& what, const std::string& says) {
        return Json{{"name", called},
                    {"image", what},
                    {"imagePullPolicy", "Never"},
                    {"args", {"-c", says}},
                    {"resources", {{"requests", {{"cpu", "10m"}, {"memory", "8Mi"}}}}}};
    };
    Json containers = Json::array({container("main", image, script)});
    if (sidecar)
        containers.push_back(container("sidecar", k_pause, "sleep 3600"));
    const Json object{
        {"apiVersion", "apps/v1"},
        {"kind", "Deployment"},
        {"metadata", {{"name", name}}},
        {"spec",
         {{"replicas", replicas},
          {"selector", {{"matchLabels", {{"app", name}}}}},
          {"template",
           {{"metadata", {{"labels", {{"app", name}}}}},
            {"spec", {{"terminationGracePeriodSeconds", 0}, {"containers", std::move(containers)}}}}}}}};
    const auto made =
        api->create(fmt::format("/apis/apps/v1/namespaces/{}/deployments", space), object, {}, soon());
    INFO((made ? "" : made.error().message));
    REQUIRE(made);
}

void ClusterWorld::settled(const std::string& name) const
{
    REQUIRE(eventually([&] { return kubernetes::rollout_of(deployment(name)).done; }, 60s));
}

void ClusterWorld::make_weak_context() const
{
    const auto core = fmt::format("/api/v1/namespaces/{}/", space);
    const auto rbac = fmt::format("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/", space);
    create(core + "serviceaccounts", R"({"metadata":{"name":"weak"}})");
    create(rbac + "roles", R"({"metadata":{"name":"weak"},"rules":[
        {"apiGroups":["*"],"resources":["*"],"verbs":["get","list","watch"]},
        {"apiGroups":["coordination.k8s.io"],"resources":["leases"],"verbs":["*"]}]})");
    create(rbac + "rolebindings",
           fmt::format(R"({{"metadata":{{"name":"weak"}},"roleRef":{{"apiGroup":"rbac.authorization.k8s.io",)"
                       R"("kind":"Role","name":"weak"}},"subjects":[{{"kind":"ServiceAccount","name":"weak",)"
                       R"("namespace":"{}"}}]}})",
                       space));
    create(core + "secrets",
           R"({"metadata":{"name":"weak","annotations":{"kubernetes.io/service-account.name":)"
           R"("weak"}},"type":"kubernetes.io/service-account-token"})");
    std::string token;
    REQUIRE(eventually([&] {
        const auto secret = get(core + "secrets/weak");
        token = secret.value("data", Json::object()).value("token", "");
        return !token.empty();
    }));
    const auto access = kube::find_access({.only = kubeconfig_}, "").value();
    const auto file = home_.path() / "weak.kubeconfig";
    REQUIRE(write_file(
        file,
        fmt::format("current-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n"
                    "clusters: [{{name: c, cluster: {{server: '{}', insecure-skip-tls-verify: true}}}}]\n"
                    "users: [{{name: u, user: {{token: {}}}}}]\n",
                    access.cluster.server, base64_decode(token).value())));
    const auto config = home_.path() / "config/conduitctl/config.yaml";
    REQUIRE(write_file(config, read_file(config).value() +
                                   fmt::format("  weak:\n    orchestrator: kubernetes\n"
                                               "    kubernetes: {{kubeconfig: {}, namespace: {}}}\n",
                                               file.string(), space)));
}

Json ClusterWorld::get(const std::string& path) const
{
    const auto found = api->get(path, soon());
    return found ? **found : Json();
}

Json ClusterWorld::deployment(const std::string& name) const
{
    return get(fmt::format("/apis/apps/v1/namespaces/{}/deployments/{}", space, name));
}

std::string ClusterWorld::image_of(const std::string& name) const
{
    return deployment(name)["spec"]["template"]["spec"]["containers"][0]["image"].get<std::string>();
}

std::string ClusterWorld::spec_of(const std::string& name) const
{
    return replace_all(canonical_json(deployment(name)["spec"]), "\"" + name + "\"", "\"NAME\"");
}

} // namespace conduit::test
