// SPDX-License-Identifier: Apache-2.0
// `config` on ConfigMaps, `secret` and `net endpoints`, against an API server in memory.
#include "core/text.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_world.hpp"
#include "tests/support/golden.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::test;

namespace {

const std::string k_maps = "/api/v1/namespaces/production/configmaps/";
const std::string k_secrets = "/api/v1/namespaces/production/secrets/";
constexpr auto k_planted = "sk-planted-0123456789abcdef";
constexpr auto k_newer = "sk-newer-0123456789abcdef";

constexpr auto k_reader = R"({"containers":[{"name":"main","env":[
    {"name":"TTL","valueFrom":{"configMapKeyRef":{"name":"tts-cache-config","key":"TTS_CACHE_TTL"}}},
    {"name":"OPENAI_API_KEY","valueFrom":{"secretKeyRef":{"name":"audio-secrets","key":"OPENAI_API_KEY"}}},
    {"name":"TTS_PROVIDER","value":"openai"}]}]})";
constexpr auto k_mounts =
    R"({"containers":[{"name":"main","volumeMounts":[{"name":"c","mountPath":"/etc/app"}]}],
    "volumes":[{"name":"c","configMap":{"name":"tts-cache-config"}}]})";
constexpr auto k_audio = "# the router\nProviders:\n  OpenAI:\n    Enabled: true # primary\n";

struct World : FakeWorld {
    World()
    {
        app.write_config(
            "contexts: {local: {orchestrator: kubernetes, kubernetes: {namespace: production}}}\n");
        cluster.put(k_maps + "kube-root-ca.crt", Json{{"data", {{"ca.crt", "x"}}}});
        cluster.put(
            k_maps + "tts-cache-config",
            Json{{"data",
                  {{"TTS_CACHE_TTL", "3600"}, {"TTS_CACHE_ENABLED", "true"}, {"audio.yaml", k_audio}}}});
        cluster.put(k_maps + "redis-config", Json{{"data",
                                                   {{"redis.conf", "maxmemory 2gb\nrequirepass hunter2222\n"},
                                                    {"REDIS_URL", "redis://app:hunter2222@redis:6379"}}}});
        cluster.put(k_secrets + "audio-secrets",
                    Json{{"type", "Opaque"}, {"data", {{"OPENAI_API_KEY", base64_encode(k_planted)}}}});
        cluster.put(k_secrets + "default-token", Json{{"type", "kubernetes.io/service-account-token"},
                                                      {"data", {{"token", base64_encode("t")}}}});
        deployments.deploy("api", 2, k_reader);
        deployments.deploy("files", 1, k_mounts);
        app.console.stdin_text = std::string(k_newer) + "\n";
    }

    int run(const std::string& line)
    {
        last = app.run(split(line, ' '));
        everything += last.out + last.err;
        return last.code;
    }
    Json data(const std::string& map) { return cluster.at(k_maps + map)["data"]; }
    Json json() { return parse_json(last.out).value_or(Json()); }
    std::string newest()
    {
        run("history ls -o json");
        return json()["items"][0]["id"].get<std::string>();
    }
    std::string journal() const
    {
        std::string all;
        for (const auto& entry : fs::recursive_directory_iterator(app.home()))
            if (entry.is_regular_file())
                all += read_file(entry.path()).value_or("");
        return all;
    }
    void file(const std::string& name, std::string_view text)
    {
        REQUIRE(write_file(app.home() / name, text));
    }
    std::string path(const std::string& name) const { return (app.home() / name).string(); }

    RunResult last;
    std::string everything; // that a screen has shown
};

std::string transcripts(World& w, const std::vector<std::string>& lines)
{
    std::string text;
    for (const auto& line : lines) {
        w.run(line);
        text += "$ conduitctl " + line + "\n" + w.last.out + w.last.err + "[exit " +
                std::to_string(w.last.code) + "]\n";
    }
    text = replace_all(text, w.app.home().string(), "~");
    for (auto at = text.find("01M"); at != std::string::npos; at = text.find("01M", at + 2)) // operations
        text.replace(at, 26, "ID");
    return text;
}

} // namespace

TEST_CASE_METHOD(World, "screens of settings, secrets and endpoints")
{
    cluster.put("/api/v1/namespaces/production/services/nobody",
                Json{{"spec", {{"selector", {{"app", "nobody"}}}, {"ports", {{{"port", 80}}}}}}});
    file("audio.yaml", "kind: ConfigMap\nmetadata: {name: tts-cache-config}\n"
                       "data:\n  TTS_CACHE_TTL: \"60\"\n  NEW: x\n");
    check_golden(
        "tests/golden/cli/settings.txt",
        transcripts(*this, {"config get", "config get TTS_CACHE_TTL", "config get --map redis-config",
                            "config get redis.conf", "config get OPENAI_API_KEY",
                            "config set TTS_CACHE_TTL=7200 --dry-run", "config set REDIS_PASSWORD=hunter2222",
                            "config set TTS_CACHE_TLT=1", "config diff -f " + path("audio.yaml"),
                            "config apply -f " + path("audio.yaml"), "secret ls -o wide",
                            "secret show audio-secrets", "secret show audio-secret",
                            "secret set default-token token --from-stdin"}));
}

TEST_CASE_METHOD(World, "a value that is read only at the start is unverified until its readers are replaced")
{
    CHECK(run("config set TTS_CACHE_TTL=7200 -y") == 11);
    CHECK(last.out.contains("conduitctl restart --workload api"));
    CHECK(data("tts-cache-config")["TTS_CACHE_TTL"] == "7200");
    const auto id = newest();
    CHECK(run("config set TTS_CACHE_TTL=7200 -y") == 11); // already so, and still not in effect
    CHECK(last.out.contains("Already so, but not in effect"));
    const auto before = deployments.pods("api");
    CHECK(run("config set TTS_CACHE_TTL=7200 --restart -y -o json") == 0);
    CHECK(json()["verified"] == true);
    CHECK(deployments.pods("api") != before);
    CHECK(deployments.pods("files").size() == 1);
    CHECK(run("config set TTS_CACHE_TTL=7200 -y") == 0); // now it is
    CHECK(run("undo " + id + " -y") == 11);
    CHECK(data("tts-cache-config")["TTS_CACHE_TTL"] == "3600");
}

TEST_CASE_METHOD(World, "who restarts the readers by another way is believed after a look")
{
    CHECK(run("config set TTS_CACHE_TTL=7200 -y") == 11);
    const auto id = newest();
    CHECK(run("resume " + id + " -y") == 11);
    auto object = cluster.at(deployments.path("api"));
    object["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = "now";
    cluster.put(deployments.path("api"), object);
    deployments.set_wanted("api", 2); // the controller sees it
    CHECK(run("resume " + id + " -y") == 0);
}

TEST_CASE_METHOD(World, "what nobody reads at its start is verified at once, and undo puts it back")
{
    CHECK(run("config set TTS_CACHE_ENABLED=false -y") == 0);
    CHECK(last.err.contains("its files follow"));
    CHECK(run("undo " + newest() + " -y") == 0);
    CHECK(data("tts-cache-config")["TTS_CACHE_ENABLED"] == "true");
}

TEST_CASE_METHOD(World, "an undo with a restart puts the value back first, so that what starts reads it")
{
    REQUIRE(run("config set TTS_CACHE_TTL=1 --restart -y") == 0);
    cluster.calls.clear();
    REQUIRE(run("undo " + newest() + " -y") == 0);
    std::vector<std::string> writes;
    for (const auto& call : cluster.calls)
        if (call.starts_with("PATCH"))
            writes.push_back(call);
    REQUIRE(writes.size() == 2);
    CHECK(writes[0].contains("/configmaps/tts-cache-config"));
    CHECK(writes[1].contains("/deployments/api"));
    CHECK(cluster.at(deployments.path("api"))["spec"]["template"]["metadata"]
              .value("annotations", Json::object())
              .empty());
}

TEST_CASE_METHOD(World, "readers that do not become ready take the change back")
{
    cluster_fault = [this, rolls = 0](const kube::Call& call) mutable -> std::optional<Result<kube::Answer>> {
        if (call.method == "PATCH" && call.path.contains("/deployments/"))
            deployments.new_pods =
                ++rolls > 1 ? "" : R"({"phase":"Running","containerStatuses":[{"name":"main","state":
                {"waiting":{"reason":"CrashLoopBackOff","message":"back-off"}}}]})";
        return std::nullopt;
    };
    CHECK(run("config set TTS_CACHE_TTL=x --restart -y") == 9);
    CHECK(data("tts-cache-config")["TTS_CACHE_TTL"] == "3600");
}

TEST_CASE_METHOD(World, "a value within a document changes where it stands, and undo leaves the rest alone")
{
    CHECK(run("config set audio.yaml:Providers.OpenAI.Enabled=false --restart-files -y") == 0);
    CHECK(data("tts-cache-config")["audio.yaml"] == replace_all(k_audio, "true", "false"));
    auto object = cluster.at(k_maps + "tts-cache-config");
    object["data"]["audio.yaml"] =
        object["data"]["audio.yaml"].get<std::string>() + "Other: 1\n"; // somebody else
    cluster.put(k_maps + "tts-cache-config", object);
    CHECK(run("config get audio.yaml:Providers.OpenAI.Enabled") == 0);
    CHECK(last.out == "false\n");
    run("history ls -o json");
    CHECK(run("undo " + newest() + " -y") == 0);
    CHECK(data("tts-cache-config")["audio.yaml"] == std::string(k_audio) + "Other: 1\n");
}

TEST_CASE_METHOD(World,
                 "nothing is written when a text is not what its name says, or the map may not be changed")
{
    const auto before = cluster.at(k_maps + "tts-cache-config");
    CHECK(run("config set audio.yaml=[ --map tts-cache-config -y") == 2);
    CHECK(run("config set audio.yaml:Providers.OpenAI=[ -y") == 2);
    CHECK(run("config set agent.yaml=listen:1 --map tts-cache-config -y") == 2);
    CHECK(run("config set a/b=1") == 2);
    CHECK(run("config set =1") == 2);
    CHECK(run("config set NEW=1 --map absent -y") == 4);
    CHECK(run("config unset ABSENT --map tts-cache-config -y") == 4);
    CHECK(run("config set REDIS_PASSWORD=hunter2222 --map tts-cache-config") == 3);
    CHECK(run("config set X=postgres://u:hunter2222@h/db --map tts-cache-config") == 3);
    CHECK_FALSE(everything.contains("hunter2222"));
    CHECK(cluster.at(k_maps + "tts-cache-config") == before);
    auto frozen = before;
    frozen["immutable"] = true;
    cluster.put(k_maps + "frozen", frozen);
    CHECK(run("config set TTS_CACHE_TTL=1 --map frozen -y") == 3);
    CHECK(last.err.contains("immutable"));
    CHECK(run("config set TTS_CACHE_TTL=1 -y") == 2); // in two maps
    CHECK(run("config set X=1 --map kube-root-ca.crt -y") == 3);
}

TEST_CASE_METHOD(World, "a map that is made can be unmade, unless somebody has used it")
{
    CHECK(run("config set A=1 --map fresh --create -y") == 0);
    CHECK(data("fresh") == Json{{"A", "1"}});
    CHECK(run("undo " + newest() + " -y") == 0);
    CHECK(cluster.at(k_maps + "fresh").is_null());
    CHECK(run("config set A=1 --map fresh --create -y") == 0);
    auto used = cluster.at(k_maps + "fresh");
    used["data"]["B"] = "2";
    cluster.put(k_maps + "fresh", used);
    CHECK(run("undo " + newest() + " -y") == 7);
    CHECK(data("fresh").size() == 2);
}

TEST_CASE_METHOD(World, "another writer between plan and write is stale, of another key it is not")
{
    std::string key = "TTS_CACHE_TTL";
    cluster_fault = [&, done = false](const kube::Call& call) mutable -> std::optional<Result<kube::Answer>> {
        if (call.method == "PATCH" && !std::exchange(done, true)) {
            auto object = cluster.at(k_maps + "tts-cache-config");
            object["data"][key] = "bob";
            cluster.put(k_maps + "tts-cache-config", object);
        }
        return std::nullopt;
    };
    auto fault = cluster_fault;
    CHECK(run("config set TTS_CACHE_TTL=7200 -y") == 7);
    CHECK(data("tts-cache-config")["TTS_CACHE_TTL"] == "bob");
    key = "OTHER";
    cluster_fault = fault; // anew
    CHECK(run("config set TTS_CACHE_ENABLED=no -y") == 0);
    CHECK(data("tts-cache-config")["OTHER"] == "bob");
    CHECK(data("tts-cache-config")["TTS_CACHE_ENABLED"] == "no");
}

TEST_CASE_METHOD(World, "a file is applied three ways: ours change, theirs stay, conflicts are shown")
{
    const std::string head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tts-cache-config}\ndata:\n";
    file("a.yaml", head + "  TTS_CACHE_TTL: \"60\"\n  NEW: x\n");
    CHECK(run("config diff -f " + path("a.yaml")) == 14);
    CHECK(run("config apply -f " + path("a.yaml") + " -y") == 3); // nobody knows whose 3600 is
    CHECK(last.err.contains("tts-cache-config/TTS_CACHE_TTL"));
    CHECK(run("config apply -f " + path("a.yaml") + " --overwrite --restart -y") == 0);
    CHECK(data("tts-cache-config")["TTS_CACHE_TTL"] == "60");
    CHECK(data("tts-cache-config")["TTS_CACHE_ENABLED"] == "true"); // no file's
    CHECK(run("config diff -f " + path("a.yaml")) == 0);
    CHECK(run("config apply -f " + path("a.yaml") + " -y -o json") == 0);
    CHECK(json()["changed"] == false);
    file("a.yaml", head + "  TTS_CACHE_TTL: \"90\"\n"); // NEW goes
    CHECK(run("config apply -f " + path("a.yaml") + " --restart -y") == 0);
    CHECK_FALSE(data("tts-cache-config").contains("NEW"));
    CHECK(run("undo " + newest() + " -y") == 0);
    CHECK(data("tts-cache-config")["NEW"] == "x");
    CHECK(data("tts-cache-config")["TTS_CACHE_TTL"] == "60");
    CHECK(run("config set NEW=mine -y") == 0);
    CHECK(run("config apply -f " + path("a.yaml") + " -y") == 3); // changed since, by hand
    CHECK(last.err.contains("NEW by conduitctl"));
}

TEST_CASE_METHOD(World, "of two maps none is changed when the second one may not be")
{
    file("two.yaml", "kind: ConfigMap\nmetadata: {name: redis-config}\ndata: {A: '1'}\n---\n"
                     "kind: ConfigMap\nmetadata: {name: tts-cache-config}\ndata: {A: '1'}\n");
    cluster_fault = [](const kube::Call& call) -> std::optional<Result<kube::Answer>> {
        if (call.method == "PATCH" && call.path.contains("/tts-cache-config?"))
            return Result<kube::Answer>(
                kube::Answer{403, {}, R"({"kind":"Status","code":403,"reason":"Forbidden",
                "message":"User \"v\" cannot patch resource \"configmaps\""})"});
        return std::nullopt;
    };
    CHECK(run("config apply -f " + path("two.yaml") + " -y") == 9);
    CHECK(last.err.contains(R"(cannot patch resource "configmaps")"));
    CHECK_FALSE(data("redis-config").contains("A"));
    CHECK_FALSE(data("tts-cache-config").contains("A"));
}

TEST_CASE_METHOD(World, "what looks like a secret in a ConfigMap is in no output of any format")
{
    file("f.yaml",
         "kind: ConfigMap\nmetadata: {name: redis-config}\ndata:\n  REDIS_URL: redis://app:hunter3333@r:1\n");
    for (const std::string line :
         {"config get", "config get --map redis-config", "config get redis.conf", "config get REDIS_URL",
          "config diff -f FILE", "config apply -f FILE --overwrite --dry-run",
          "config apply -f FILE --overwrite -y"})
        for (const auto* format : {"", " -o json", " -o yaml", " -o wide", " -v"})
            run(replace_all(line, "FILE", path("f.yaml")) + format);
    CHECK(data("redis-config")["REDIS_URL"] == "redis://app:hunter3333@r:1");
    run("history show " + newest() + " -o json");
    CHECK(run("undo " + newest() + " -y") == 3); // it said so beforehand
    fs::remove(app.home() / "f.yaml");
    for (const auto* secret : {"hunter2222", "hunter3333"}) {
        CHECK_FALSE(everything.contains(secret));
        CHECK_FALSE(journal().contains(secret));
    }
}

TEST_CASE_METHOD(World, "of an export only what is named is applied, and nothing that the server wrote")
{
    file("export.yaml",
         "kind: List\napiVersion: v1\nitems:\n"
         "- {kind: ConfigMap, metadata: {name: kube-root-ca.crt, uid: u0}, data: {ca.crt: y}}\n"
         "- {kind: ConfigMap, metadata: {name: other, uid: u1, labels: {app: b}}, data: {A: '1'}}\n"
         "- {kind: ConfigMap, metadata: {name: mine, uid: u2, resourceVersion: '7', labels: {app: a}},"
         " data: {A: '1'}}\n");
    CHECK(run("config apply -f " + path("export.yaml") + " -y") == 3);
    CHECK(run("config apply -f " + path("export.yaml") + " --selector app=a -y") == 0);
    CHECK(cluster.at(k_maps + "other").is_null());
    CHECK(data("mine") == Json{{"A", "1"}});
    CHECK(cluster.at(k_maps + "mine")["metadata"]["uid"] != "u2");
    CHECK(data("kube-root-ca.crt")["ca.crt"] == "x");
    CHECK(run("config apply -f " + path("export.yaml") + " --map absent -y") == 4);
    file("space.yaml", "kind: ConfigMap\nmetadata: {name: x, namespace: staging}\ndata: {A: '1'}\n");
    CHECK(run("config apply -f " + path("space.yaml") + " -y") == 2);
    file("audio.yaml", "Providers: {OpenAI: {Enabled: false}}\n");
    CHECK(run("config apply -f " + path("audio.yaml") + " --map tts-cache-config --overwrite -y") == 0);
    CHECK(data("tts-cache-config")["audio.yaml"] == "Providers: {OpenAI: {Enabled: false}}\n");
    CHECK(data("tts-cache-config")["TTS_CACHE_TTL"] == "3600");
}

TEST_CASE_METHOD(World, "a secret is written without being seen, kept when it is replaced, and put back")
{
    CHECK(run("secret show audio-secrets -o json") == 0);
    const auto print = json()["items"][0]["fingerprint"];
    CHECK(json()["items"][0]["length"] == std::string(k_planted).size());
    CHECK(run("secret set audio-secrets OPENAI_API_KEY --from-stdin -y") == 11); // api has it by env
    const auto id = newest();
    CHECK(run("secret set audio-secrets OPENAI_API_KEY --from-stdin --restart -y -v") == 0);
    CHECK(cluster.at(k_secrets + "audio-secrets")["data"]["OPENAI_API_KEY"] == base64_encode(k_newer));
    CHECK(run("secret ls -o json") == 0);
    CHECK(run("undo " + id + " -y") == 11);
    CHECK(cluster.at(k_secrets + "audio-secrets")["data"]["OPENAI_API_KEY"] == base64_encode(k_planted));
    CHECK(run("secret show audio-secrets -o json") == 0);
    CHECK(json()["items"][0]["fingerprint"] == print);
    CHECK(run("history show " + id + " -o json") == 0);
    for (const auto& secret : {std::string(k_planted), std::string(k_newer)})
        for (const auto& form : {secret, base64_encode(secret)}) {
            CHECK_FALSE(everything.contains(form));
            CHECK_FALSE(journal().contains(form));
        }
}

TEST_CASE_METHOD(World, "an answer that is lost after a secret was written is found by its key")
{
    cluster_fault = [&, done = false](const kube::Call& call) mutable -> std::optional<Result<kube::Answer>> {
        if (call.method == "PATCH" && call.path.contains("/secrets/audio-secrets?") &&
            !std::exchange(done, true)) {
            (void)cluster.handle(call);
            return Result<kube::Answer>(fail(ErrorKind::unknown, "the connection ended"));
        }
        return std::nullopt;
    };
    CHECK(run("secret set audio-secrets OTHER --from-stdin -y") == 0);
    CHECK(cluster.at(k_secrets + "audio-secrets")["data"]["OTHER"] == base64_encode(k_newer));
}

TEST_CASE_METHOD(World, "values from nowhere, from two places and of secrets that others keep are refused")
{
    CHECK(run("secret set audio-secrets K -y") == 2);
    CHECK(run("secret set audio-secrets K --from-stdin --from-file x -y") == 2);
    CHECK(run("secret set absent K --from-stdin -y") == 4);
    CHECK(run("secret set default-token token --from-stdin -y") == 3);
    app.console.stdin_text = "\n";
    CHECK(run("secret set audio-secrets K --from-stdin -y") == 2);
    app.console.stdin_text = k_newer;
    CHECK(run("secret set absent K --from-stdin --create -y") == 0);
    CHECK(cluster.at(k_secrets + "absent")["type"] == "Opaque");
}

TEST_CASE_METHOD(World, "a service says where its traffic goes, and why it goes nowhere")
{
    const std::string services = "/api/v1/namespaces/production/services/";
    const std::string slices = "/apis/discovery.k8s.io/v1beta1/namespaces/production/endpointslices/";
    cluster.put(services + "api",
                Json{{"spec", {{"selector", {{"app", "api"}}}, {"ports", {{{"port", 80}}}}}}});
    const auto pod = deployments.pods("api").at(0);
    cluster.put(slices + "api-1",
                Json{{"ports", {{{"name", "http"}, {"port", 8080}}}},
                     {"endpoints",
                      {{{"addresses", {"10.0.0.1"}},
                        {"conditions", {{"ready", true}}},
                        {"targetRef", {{"kind", "Pod"}, {"name", pod}}},
                        {"topology", {{"kubernetes.io/hostname", "n1"}}}},
                       {{"addresses", {"10.0.0.2"}}, {"conditions", {{"ready", false}}}}}}});
    CHECK(run("net endpoints api -o json") == 0);
    CHECK(json()["ready"] == 1);
    CHECK(json()["agree"] == false); // two pods are ready
    CHECK(json()["items"][0]["node"] == "n1");
    CHECK(json()["items"][1]["state"] == "not-ready");
    cluster.remove(slices + "api-1");
    cluster.put(services + "api", Json{{"spec", {{"ports", {{{"port", 80}}}}}}});
    CHECK(run("net endpoints api") == 13);
    CHECK(last.err.contains("it has no selector"));
    CHECK(run("net endpoints apo") == 4);
    CHECK(last.err.contains("did you mean api?"));
    cluster.served.erase("discovery.k8s.io/v1beta1");
    CHECK(run("net endpoints api") == 4);
    CHECK(last.err.contains("discovery.k8s.io/v1"));
}
