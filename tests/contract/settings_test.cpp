// SPDX-License-Identifier: Apache-2.0
// Settings, secrets and endpoints on the cluster that CONDUIT_TEST_KUBECONFIG names, beside what kubectl's
// own way gives. Without one there is nothing to hold them against: the fake one has tests of its own.
#include "cli/app/operations.hpp"
#include "cli/orchestrator/kubernetes/settings.hpp"
#include "cli/targets/settings_target.hpp"
#include "core/kube/credentials.hpp"
#include "core/kube/kubeconfig.hpp"
#include "core/process.hpp"
#include "core/text.hpp"
#include "core/ulid.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/test_app.hpp"
#include "tests/support/wait.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::test;

namespace {

constexpr auto k_planted = "sk-planted-0123456789abcdef";
constexpr auto k_newer = "sk-newer-0123456789abcdef";

constexpr auto k_objects = R"(
apiVersion: v1
kind: ConfigMap
metadata: {name: tts-cache-config}
data:
  TTS_CACHE_TTL: "3600"
  TTS_CACHE_ENABLED: "true"
  TTS_CACHE_STRATEGY: lru
  audio.yaml: |
    # the router
    AudioService:
      RequestTimeoutSeconds: 120 # of all
---
apiVersion: v1
kind: Service
metadata: {name: api}
spec: {selector: {app: api}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
)";

std::string deployment(const std::string& name, int replicas, const std::string& rest)
{
    return fmt::format(R"(
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {0}}}
spec:
  replicas: {1}
  selector: {{matchLabels: {{app: {0}}}}}
  template:
    metadata: {{labels: {{app: {0}}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: conduit.test/busybox:1
        imagePullPolicy: Never
        command: [sh, -c, 'test "$TTL" != broken && exec sleep 100000']
{2}
)",
                       name, replicas, rest);
}

const std::string k_by_env = R"(        env:
        - {name: TTL, valueFrom: {configMapKeyRef: {name: tts-cache-config, key: TTS_CACHE_TTL}}})";
const std::string k_by_volume = R"(        volumeMounts: [{name: c, mountPath: /etc/app}]
      volumes: [{name: c, configMap: {name: tts-cache-config}}])";

// Somebody who acts just before a write of ours arrives.
class Meddled final : public kube::Transport {
  public:
    Meddled(std::unique_ptr<kube::Transport> to, std::function<void(const kube::Call&)>& before)
        : to_(std::move(to)), before_(before)
    {
    }
    Result<kube::Answer> send(const kube::Call& call, Deadline deadline) override
    {
        if (before_ && call.method == "PATCH")
            before_(call);
        return to_->send(call, deadline);
    }
    Result<kube::Answer> stream(const kube::Call& call, const kube::OnPiece& piece,
                                Deadline deadline) override
    {
        return to_->stream(call, piece, deadline);
    }
    std::string server() const override { return to_->server(); }

  private:
    std::unique_ptr<kube::Transport> to_;
    std::function<void(const kube::Call&)>& before_;
};

struct World {
    World()
    {
        app.write_config("contexts: {local: {orchestrator: kubernetes, kubernetes: {namespace: " + space +
                         "}}}\n");
        app.setup = [this](App& a) { wire(a); };
        REQUIRE(
            admin().create("/api/v1/namespaces", Json{{"metadata", {{"name", space}}}}, {}, Deadline(60s)));
        make(k_objects);
        kubectl(
            {"create", "secret", "generic", "audio-secrets", std::string("--from-literal=KEY=") + k_planted});
        app.console.stdin_text = k_newer;
    }
    World(const World&) = delete;
    ~World()
    {
        (void)admin().remove("/api/v1/namespaces/" + space, Json::object(), Deadline(60s)).has_value();
    }

    kube::Api& admin()
    {
        if (!admin_) {
            const auto access =
                kube::find_access({.only = std::getenv("CONDUIT_TEST_KUBECONFIG")}, "").value();
            admin_ = std::make_unique<kube::Api>(
                kube::make_transport(access, kube::make_credentials(access, system_clock())), system_clock());
        }
        return *admin_;
    }
    std::unique_ptr<kube::Api> api(App& a)
    {
        auto access = kube::find_access({.only = std::getenv("CONDUIT_TEST_KUBECONFIG")}, "").value();
        access.user.impersonate = impersonate;
        auto transport = std::make_unique<Meddled>(
            kube::make_transport(access, kube::make_credentials(access, system_clock()), &a.cancel()),
            before_write);
        return std::make_unique<kube::Api>(std::move(transport), system_clock(), &a.cancel());
    }
    void wire(App& a)
    {
        a.settings_slot.set([this](App& b) -> Result<std::unique_ptr<ServiceSettings>> {
            return kubernetes::make_settings(api(b), space, "tested", "salt", app.home() / "cache");
        });
        a.endpoints_slot.set([this](App& b) -> Result<std::unique_ptr<Endpoints>> {
            return kubernetes::make_endpoints(api(b), space, app.home() / "cache");
        });
        a.operations_slot.set([](App& b) -> Result<std::unique_ptr<Operations>> {
            auto operations = std::make_unique<Operations>(b);
            operations->add_target("settings", [](App& c) -> Result<std::unique_ptr<ops::Target>> {
                TRY_ASSIGN(ServiceSettings * found, c.settings());
                return std::make_unique<SettingsTarget>(*found, system_clock());
            });
            return operations;
        });
    }

    Result<ProcessResult> kubectl_raw(const std::vector<std::string>& words, const std::string& input)
    {
        const char* home = std::getenv("HOME");
        const auto built = fs::path(home == nullptr ? "" : home) / ".cache/conduit-cluster/bin/kubectl";
        std::vector<std::string> argv{fs::exists(built) ? built.string() : "kubectl", "--kubeconfig",
                                      std::getenv("CONDUIT_TEST_KUBECONFIG"), "--namespace", space};
        argv.insert(argv.end(), words.begin(), words.end());
        return run_process({.argv = argv, .stdin_bytes = input}, Deadline(120s));
    }
    std::string kubectl(const std::vector<std::string>& words, const std::string& input = {})
    {
        const auto ran = kubectl_raw(words, input);
        REQUIRE(ran);
        INFO(ran->err);
        REQUIRE(ran->exit_code == 0);
        return ran->out;
    }
    void make(const std::string& yaml) { kubectl({"apply", "-f", "-"}, yaml); }
    void deploy(const std::string& name, int replicas, const std::string& rest)
    {
        make(deployment(name, replicas, rest));
        kubectl({"rollout", "status", "deployment/" + name, "--timeout=60s"});
    }
    Json object(const std::string& kind, const std::string& name)
    {
        auto found =
            admin().get(fmt::format("/api/v1/namespaces/{}/{}s/{}", space, kind, name), Deadline(60s));
        REQUIRE(found);
        return **found;
    }
    Json data(const std::string& name) { return object("configmap", name)["data"]; }
    // What the running replicas have in their environment.
    std::string environment(const std::string& app_label)
    {
        std::string all;
        for (const auto& pod : split(trim(kubectl({"get", "pods", "-l", "app=" + app_label, "-o", "name",
                                                   "--field-selector=status.phase=Running"})),
                                     '\n')) {
            const auto ran = kubectl_raw({"exec", pod, "--", "sh", "-c", "echo $TTL"}, {});
            if (ran && ran->exit_code == 0) // one that ends is not counted
                all += std::string(trim(ran->out)) + " ";
        }
        return all;
    }
    int run(std::vector<std::string> words)
    {
        last = app.run(words);
        everything += last.out + last.err;
        return last.code;
    }
    std::string newest()
    {
        run({"history", "ls", "-o", "json"});
        return parse_json(last.out).value()["items"][0]["id"].get<std::string>();
    }

    std::unique_ptr<kube::Api> admin_;
    TestApp app;
    std::string space = "k3-settings-" + to_lower(make_ulid(system_clock().now()).substr(10));
    std::string impersonate;
    std::function<void(const kube::Call&)> before_write;
    RunResult last;
    std::string everything;
};

// Skipped where there is no cluster.
#define CONDUIT_REAL_WORLD                                                                                   \
    if (std::getenv("CONDUIT_TEST_KUBECONFIG") == nullptr) {                                                 \
        WARN("skipped: CONDUIT_TEST_KUBECONFIG names no cluster");                                           \
        return;                                                                                              \
    }                                                                                                        \
    World w

} // namespace

TEST_CASE("a ConfigMap that is set, unset and applied equals its twin under kubectl")
{
    CONDUIT_REAL_WORLD;
    const auto twin = [&](const std::string& text) { return replace_all(text, "tts-cache-config", "twin"); };
    w.make(twin(k_objects));
    CHECK(w.run({"config", "set", "TTS_CACHE_TTL=7200", "NEW=x y", "--map", "tts-cache-config", "-y"}) == 0);
    CHECK(w.run({"config", "unset", "TTS_CACHE_STRATEGY", "-y", "--map", "tts-cache-config"}) == 0);
    w.kubectl({"patch", "configmap", "twin", "--type=merge", "-p",
               R"({"data":{"TTS_CACHE_TTL":"7200","NEW":"x y","TTS_CACHE_STRATEGY":null}})"});
    CHECK(w.data("tts-cache-config") == w.data("twin"));

    const std::string first =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\ndata: {A: '1', B: '1', C: '1'}\n";
    const std::string second =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\ndata: {A: '2', C: '1', D: '1'}\n";
    w.make(replace_all(first, "NAME", "kubectls"));
    const auto file = (w.app.home() / "f.yaml").string();
    REQUIRE(write_file(file, replace_all(first, "NAME", "ours")));
    CHECK(w.run({"config", "apply", "-f", file, "-y"}) == 0);
    for (const auto* name : {"ours", "kubectls"})
        w.kubectl({"patch", "configmap", name, "--type=merge", "-p", R"({"data":{"FOREIGN":"1"}})"});
    REQUIRE(write_file(file, replace_all(second, "NAME", "ours")));
    CHECK(w.run({"config", "diff", "-f", file}) == 14);
    CHECK(w.run({"config", "apply", "-f", file, "-y"}) == 0);
    w.make(replace_all(second, "NAME", "kubectls"));
    CHECK(w.data("ours") == w.data("kubectls"));
    CHECK(w.data("ours")["FOREIGN"] == "1");
    // What kubectl applied is taken over without a question; what somebody changed by hand is not.
    REQUIRE(write_file(file, replace_all(first, "NAME", "kubectls")));
    CHECK(w.run({"config", "apply", "-f", file, "-y"}) == 0);
    CHECK(w.data("kubectls")["A"] == "1");
    w.kubectl({"patch", "configmap", "kubectls", "--type=merge", "-p", R"({"data":{"A":"by hand"}})"});
    CHECK(w.run({"config", "apply", "-f", file, "-y"}) == 3);
    CHECK(w.last.err.contains("kubectls/A by kubectl"));
    CHECK(w.data("kubectls")["A"] == "by hand");
}

TEST_CASE("a value within a text keeps its comments on the server too, and a dry run writes nothing")
{
    CONDUIT_REAL_WORLD;
    const auto before = w.object("configmap", "tts-cache-config");
    const std::vector<std::string> words{"config", "set",
                                         "audio.yaml:AudioService.RequestTimeoutSeconds=300"};
    auto dry = words;
    dry.insert(dry.end(), {"--dry-run", "-o", "json"});
    CHECK(w.run(dry) == 0);
    CHECK(w.last.out.contains("the server would take configmap tts-cache-config"));
    CHECK(w.object("configmap", "tts-cache-config") == before);
    auto real = words;
    real.emplace_back("-y");
    CHECK(w.run(real) == 0);
    CHECK(w.data("tts-cache-config")["audio.yaml"] ==
          "# the router\nAudioService:\n  RequestTimeoutSeconds: 300 # of all\n");
}

TEST_CASE("environment reaches running pods only with --restart, and the verdict says so each time")
{
    CONDUIT_REAL_WORLD;
    w.deploy("api", 2, k_by_env);
    w.deploy("files", 1, k_by_volume);
    const auto mounted = w.kubectl({"get", "pods", "-l", "app=files", "-o", "name"});
    CHECK(w.run({"config", "set", "TTS_CACHE_TTL=7200", "-y"}) == 11);
    CHECK(w.last.out.contains("api reads TTS_CACHE_TTL by env only when it starts"));
    CHECK(w.environment("api") == "3600 3600 ");
    CHECK(w.run({"config", "set", "TTS_CACHE_TTL=7200", "-y"}) == 11);
    CHECK(w.run({"config", "set", "TTS_CACHE_TTL=7300", "--restart", "-y"}) == 0);
    CHECK(w.environment("api") == "7300 7300 ");
    CHECK(w.kubectl({"get", "pods", "-l", "app=files", "-o", "name"}) == mounted);
    CHECK(w.run({"undo", w.newest(), "-y"}) == 0);
    CHECK(w.environment("api") == "7200 7200 ");
    // A value that its readers cannot start with is taken back, from them too.
    CHECK(w.run({"config", "set", "TTS_CACHE_TTL=broken", "--restart", "-y"}) == 9);
    CHECK(w.data("tts-cache-config")["TTS_CACHE_TTL"] == "7200");
    w.kubectl({"rollout", "status", "deployment/api", "--timeout=60s"});
    CHECK(w.environment("api") == "7200 7200 ");
}

TEST_CASE("another writer between plan and write ends it with 7, and nothing is written")
{
    CONDUIT_REAL_WORLD;
    bool done = false;
    w.before_write = [&](const kube::Call&) {
        if (!std::exchange(done, true))
            w.kubectl({"patch", "configmap", "tts-cache-config", "--type=merge", "-p",
                       R"({"data":{"TTS_CACHE_TTL":"theirs"}})"});
    };
    CHECK(w.run({"config", "set", "TTS_CACHE_TTL=7200", "-y"}) == 7);
    CHECK(w.data("tts-cache-config")["TTS_CACHE_TTL"] == "theirs");
    done = false;
    CHECK(w.run({"config", "set", "TTS_CACHE_ENABLED=false", "-y"}) == 0); // of another key it is no matter
    CHECK(w.data("tts-cache-config")["TTS_CACHE_ENABLED"] == "false");
}

TEST_CASE("what a role forbids ends with 5 and names the verb and the resource")
{
    CONDUIT_REAL_WORLD;
    w.kubectl({"create", "serviceaccount", "viewer"});
    w.kubectl(
        {"create", "rolebinding", "viewer", "--clusterrole=view", "--serviceaccount=" + w.space + ":viewer"});
    w.impersonate = "system:serviceaccount:" + w.space + ":viewer";
    REQUIRE(eventually([&] { return w.run({"config", "get", "TTS_CACHE_TTL"}) == 0; }, 20s));
    CHECK(w.run({"config", "set", "TTS_CACHE_TTL=1", "-y"}) == 5);
    CHECK(w.last.err.contains(R"(cannot patch resource "configmaps")"));
    CHECK(w.run({"secret", "ls"}) == 5);
    CHECK(w.last.err.contains(R"(cannot list resource "secrets")"));
    CHECK(w.run({"secret", "set", "audio-secrets", "KEY", "--from-stdin", "-y"}) == 5);
    CHECK(w.last.err.contains(R"(cannot get resource "secrets")"));
    CHECK(w.data("tts-cache-config")["TTS_CACHE_TTL"] == "3600");
}

TEST_CASE("a secret that is set equals its twin under kubectl, and its value is seen nowhere")
{
    CONDUIT_REAL_WORLD;
    w.kubectl({"create", "secret", "generic", "twin", std::string("--from-literal=KEY=") + k_planted});
    w.kubectl({"patch", "secret", "twin", "--type=merge", "-p",
               fmt::format(R"({{"data":{{"KEY":"{}"}}}})", base64_encode(k_newer))});
    CHECK(w.run({"secret", "show", "audio-secrets", "-o", "json", "-v"}) == 0);
    const auto print = parse_json(w.last.out).value()["items"][0]["fingerprint"];
    CHECK(w.run({"secret", "set", "audio-secrets", "KEY", "--from-stdin", "-y", "-v"}) == 0);
    const auto id = w.newest();
    const auto ours = w.object("secret", "audio-secrets");
    CHECK(ours["data"] == w.object("secret", "twin")["data"]);
    CHECK_FALSE(ours["metadata"]["annotations"].contains("kubectl.kubernetes.io/last-applied-configuration"));
    // A second key, by the same manager: the first one stays.
    CHECK(w.run({"secret", "set", "audio-secrets", "OTHER", "--from-stdin", "-y"}) == 0);
    CHECK(w.object("secret", "audio-secrets")["data"]["KEY"] == ours["data"]["KEY"]);
    CHECK(w.run({"undo", w.newest(), "-y"}) == 0);
    CHECK(w.object("secret", "audio-secrets")["data"] == ours["data"]);
    CHECK(w.run({"undo", id, "-y"}) == 0);
    CHECK(w.object("secret", "audio-secrets")["data"]["KEY"] == base64_encode(k_planted));
    CHECK(w.run({"secret", "show", "audio-secrets", "-o", "json"}) == 0);
    CHECK(parse_json(w.last.out).value()["items"][0]["fingerprint"] == print);
    CHECK(w.run({"secret", "set", "made", "KEY", "--from-stdin", "--create", "-y"}) == 0);
    CHECK(w.object("secret", "made")["type"] == "Opaque");
    CHECK(w.run({"secret", "ls", "-o", "yaml"}) == 0);
    CHECK(w.last.out.contains("service-account token"));
    CHECK(w.run({"history", "show", id, "-o", "json"}) == 0);
    for (const auto& entry : fs::recursive_directory_iterator(w.app.home()))
        if (entry.is_regular_file())
            w.everything += read_file(entry.path()).value_or("");
    for (const std::string value : {k_planted, k_newer}) {
        CHECK_FALSE(w.everything.contains(value));
        CHECK_FALSE(w.everything.contains(base64_encode(value)));
    }
}

TEST_CASE("endpoints are those of the ready pods, and a service that selects nothing says why")
{
    CONDUIT_REAL_WORLD;
    w.deploy("api", 2, k_by_env);
    std::string addresses;
    REQUIRE(eventually(
        [&] {
            addresses =
                w.kubectl({"get", "endpoints", "api", "-o", "jsonpath={.subsets[*].addresses[*].ip}"});
            return w.run({"net", "endpoints", "api", "-o", "json"}) == 0 &&
                   split(addresses, ' ').size() == 2 && parse_json(w.last.out).value()["agree"] == true;
        },
        20s));
    const auto json = parse_json(w.last.out).value();
    auto theirs = split(addresses, ' ');
    std::ranges::sort(theirs);
    std::vector<std::string> ours;
    for (const auto& item : json["items"]) {
        ours.push_back(item["address"].get<std::string>());
        CHECK(item["instance"].get<std::string>().starts_with("api-"));
        CHECK(item["ready"] == true);
    }
    CHECK(ours == theirs);
    CHECK(w.run({"net", "endpoints", "nobody"}) == 13);
    CHECK(w.last.err.contains("no pod has the labels app=nobody"));
}
