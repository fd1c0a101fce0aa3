// SPDX-License-Identifier: Apache-2.0
// stop, start, wait, dump, volumes and certificates as they are typed, against what is in memory.
#include "core/text.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/certificate_maker.hpp"
#include "tests/support/fakes/fake_world.hpp"

#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

using namespace conduit;
using namespace conduit::test;

namespace {

constexpr auto k_claim = "/api/v1/namespaces/production/persistentvolumeclaims/data";
constexpr auto k_certificate = "/apis/cert-manager.io/v1/namespaces/production/certificates/web";
constexpr auto k_secret = "/api/v1/namespaces/production/secrets/web-tls";

Json document(const RunResult& r)
{
    return parse_json(r.out).value_or(Json());
}

void put_volume(FakeWorld& w, bool expands)
{
    w.cluster.put("/apis/storage.k8s.io/v1/storageclasses/fast", Json{{"allowVolumeExpansion", expands}});
    w.cluster.put(
        k_claim,
        Json{{"spec", {{"storageClassName", "fast"}, {"resources", {{"requests", {{"storage", "2Gi"}}}}}}},
             {"status", {{"phase", "Bound"}, {"capacity", {{"storage", "2Gi"}}}}}});
}

CertificateWish wish_of(FakeWorld& w, int days)
{
    const auto now = w.app.clock.now();
    return {.not_before = now - std::chrono::hours{24}, .not_after = now + std::chrono::hours{24 * days}};
}

void put_certificate(FakeWorld& w, const MadeCertificate& made, const std::string& key = {})
{
    w.cluster.served["cert-manager.io/v1"] = {{"certificates", ""}, {"certificaterequests", ""}};
    w.cluster.put(
        k_certificate,
        Json{{"metadata", {{"uid", "u-1"}}},
             {"spec", {{"secretName", "web-tls"}, {"dnsNames", {"api.example"}}}},
             {"status", {{"revision", 1}, {"conditions", {{{"type", "Ready"}, {"status", "True"}}}}}}});
    w.cluster.put(k_secret, Json{{"data",
                                  {{"tls.crt", base64_encode(made.certificate)},
                                   {"tls.key", base64_encode(key.empty() ? made.key : key)}}}});
}

Json finding(const Json& report, const std::string& name)
{
    for (const auto& item : report["items"])
        if (item["name"] == name)
            return item;
    return Json();
}

} // namespace

TEST_CASE("stop remembers how many ran, and start runs as many again")
{
    FakeWorld w;
    w.orchestrator.wanted = 4;
    const auto refused = w.app.run({"stop", "agent", "--reason", "restore", "-y"});
    CHECK(refused.code == 3); // its name is asked for
    CHECK(w.orchestrator.wanted == 4);
    const auto stopped =
        w.app.run({"stop", "agent", "--confirm", "agent", "--reason", "restore", "-o", "json"});
    INFO(stopped.err);
    CHECK(stopped.code == 0);
    CHECK(w.orchestrator.wanted == 0);
    CHECK(w.orchestrator.remembered == 4);
    CHECK(document(w.app.run({"stop", "agent", "--confirm", "agent", "-o", "json"}))["changed"] == false);
    const auto started = w.app.run({"start", "agent", "-y"});
    INFO(started.err);
    CHECK(started.code == 0);
    CHECK(w.orchestrator.wanted == 4);
    CHECK_FALSE(w.orchestrator.remembered.has_value());
    CHECK(document(w.app.run({"start", "agent", "-y", "-o", "json"}))["changed"] == false);
}

TEST_CASE("undo of stop runs as many as before and forgets the number")
{
    FakeWorld w;
    w.orchestrator.wanted = 3;
    const auto stopped =
        w.app.run({"stop", "agent", "--confirm", "agent", "--reason", "restore", "-o", "json"});
    REQUIRE(stopped.code == 0);
    const auto id = document(stopped)["operation"].get<std::string>();
    CHECK(w.app.run({"undo", id, "-y"}).code == 0);
    CHECK(w.orchestrator.wanted == 3);
    CHECK_FALSE(w.orchestrator.remembered.has_value());
}

TEST_CASE("start keeps to the bounds of an autoscaler, and asks for a number that nobody noted")
{
    FakeWorld w;
    w.app.write_config("contexts: {local: {orchestrator: kubernetes}}\n");
    w.orchestrator.wanted = 0;
    const auto unknown = w.app.run({"start", "agent", "-y"});
    CHECK(unknown.code == 2);
    CHECK(unknown.err.contains("--replicas"));
}

TEST_CASE("wait ends when it is so, and at once when it cannot become so")
{
    FakeWorld w;
    CHECK(w.app.run({"wait", "agent", "--for", "replicas=2"}).code == 0);
    const auto few = w.app.run({"wait", "agent", "--for", "replicas=3", "-o", "json"});
    CHECK(few.code == 13);
    CHECK(document(few)["reason"].get<std::string>().contains("only 2 replicas"));
    CHECK(w.app.run({"wait", "agent", "--for", "gone"}).code == 13);
    w.orchestrator.unready = 1;
    const auto late = w.app.run({"wait", "agent", "--timeout", "1ms", "-o", "json"});
    CHECK(late.code == 11);
    CHECK(document(late)["seen"] == "1 of 2 ready");
    w.orchestrator.wanted = 0;
    w.orchestrator.unready = 0;
    CHECK(w.app.run({"wait", "agent", "--for", "gone"}).code == 0);
    CHECK(w.app.run({"wait", "agent"}).code == 13);
    CHECK(w.app.run({"wait", "agent", "--for", "tea"}).code == 2);
    CHECK(w.app.run({"wait", "agnet"}).code == 4);
}

TEST_CASE("one that ends at once is not ready because it was for a moment")
{
    FakeWorld w;
    w.orchestrator.started_at = w.app.clock.wall;
    int looks = 0;
    w.orchestrator.before_call = [&](const std::string& call) {
        if (call == "workloads" && ++looks == 3) // the first is for the workload's name
            w.orchestrator.most_alive = 1;
    };
    const auto broken = w.app.run({"wait", "agent", "--timeout", "20s", "-o", "json"});
    CHECK(broken.code == 13);
    CHECK(document(broken)["reason"].get<std::string>().contains("does not stay alive"));
    w.orchestrator.most_alive = 2;
    looks = 3;
    w.orchestrator.started_at = w.app.clock.wall;
    const auto before = w.app.clock.ticks;
    CHECK(w.app.run({"wait", "agent", "--timeout", "20s"}).code == 0);
    CHECK(w.app.clock.ticks - before >= 1500ms);
    w.orchestrator.started_at = w.app.clock.wall - 1min;
    const auto old = w.app.clock.ticks;
    CHECK(w.app.run({"wait", "agent", "--timeout", "20s"}).code == 0);
    CHECK(w.app.clock.ticks == old); // what has run for long is not waited for
}

TEST_CASE("a wait outlives a moment in which nobody answers")
{
    FakeWorld w;
    w.orchestrator.unready = 1;
    int calls = 0;
    w.orchestrator.before_call = [&](const std::string&) {
        ++calls;
        w.orchestrator.faults.clear();
        if (calls == 4)
            w.orchestrator.faults["*"] = {ErrorKind::unreachable, "the API server restarts"};
        if (calls == 8)
            w.orchestrator.unready = 0;
    };
    CHECK(w.app.run({"wait", "agent", "--timeout", "20s"}).code == 0);
    CHECK(calls >= 8);
}

TEST_CASE("a volume grows only where its class allows it, and never shrinks")
{
    FakeWorld w;
    put_volume(w, false);
    const auto rigid = w.app.run({"volume", "expand", "data", "--size", "4Gi", "-y"});
    CHECK(rigid.code == 3);
    CHECK(rigid.err.contains("does not allow to grow"));
    put_volume(w, true);
    const auto smaller = w.app.run({"volume", "expand", "data", "--size", "1Gi", "-y"});
    CHECK(smaller.code == 3);
    CHECK(smaller.err.contains("cannot") == false);
    CHECK(smaller.err.contains("shrink"));
    CHECK(w.app.run({"volume", "expand", "data", "--size", "much", "-y"}).code == 2);
    CHECK(w.app.run({"volume", "expand", "dta", "--size", "4Gi", "-y"}).code == 4);
    CHECK(w.cluster.at(k_claim)["spec"]["resources"]["requests"]["storage"] == "2Gi");
    // Nobody grows it here: the request stands, and the pod has to mount it anew.
    w.cluster.controllers = [&w] {
        auto claim = w.cluster.at(k_claim);
        if (claim["spec"]["resources"]["requests"]["storage"] != "4Gi" ||
            claim["status"].contains("conditions"))
            return;
        claim["status"]["conditions"] = {{{"type", "FileSystemResizePending"}, {"status", "True"}}};
        w.cluster.put(k_claim, std::move(claim));
    };
    const auto pending = w.app.run({"volume", "expand", "data", "--size", "4Gi", "-y", "--timeout", "1s"});
    INFO(pending.err);
    CHECK(pending.code == 11);
    CHECK(pending.err.contains("FileSystemResizePending"));
    const auto listed = document(w.app.run({"volume", "ls", "-o", "json"}))["items"][0];
    CHECK(listed["requested"] == "4Gi");
    CHECK(listed["capacity"] == "2Gi");
}

TEST_CASE("a certificate's expiry, names and key are checked in its Secret")
{
    FakeWorld w;
    const auto good = make_certificate(wish_of(w, 60));
    put_certificate(w, good);
    const auto fine = w.app.run({"cert", "check", "web", "-o", "json"});
    INFO(fine.err);
    CHECK(fine.code == 0);
    CHECK(finding(document(fine), "secret key")["verdict"] == "passed");
    put_certificate(w, make_certificate(wish_of(w, 20)));
    const auto soon = w.app.run({"cert", "check", "web", "-o", "json"});
    CHECK(soon.code == 0);
    CHECK(finding(document(soon), "secret expiry")["verdict"] == "warning");
    put_certificate(w, make_certificate(wish_of(w, 3)));
    CHECK(w.app.run({"cert", "check", "web"}).code == 13);
    put_certificate(w, make_certificate(wish_of(w, 60)), good.key);
    const auto foreign = w.app.run({"cert", "check", "web", "-o", "json"});
    CHECK(foreign.code == 13);
    CHECK(finding(document(foreign), "secret key")["verdict"] == "failed");
    auto other = wish_of(w, 60);
    other.names = {"old.example"};
    put_certificate(w, make_certificate(other));
    CHECK(finding(document(w.app.run({"cert", "check", "web", "-o", "json"})), "secret names")["verdict"] ==
          "failed");
    CHECK_FALSE(fine.out.contains("PRIVATE"));
}

TEST_CASE("a renewal sets the condition, deletes nothing, and is over when the serial is another")
{
    FakeWorld w;
    auto wish = wish_of(w, 3);
    put_certificate(w, make_certificate(wish));
    w.cluster.controllers = [&] {
        auto object = w.cluster.at(k_certificate);
        auto& conditions = object["status"]["conditions"];
        if (conditions.size() < 2)
            return;
        CHECK(conditions[1]["reason"] == "ManuallyTriggered");
        conditions.erase(1);
        object["status"]["revision"] = 2;
        wish.serial = 0x2b;
        wish.not_after += std::chrono::hours{24 * 90};
        put_certificate(w, make_certificate(wish));
        w.cluster.put(k_certificate, std::move(object));
    };
    const auto renewed = w.app.run({"cert", "renew", "web", "-o", "json"});
    INFO(renewed.err);
    CHECK(renewed.code == 0);
    CHECK(document(renewed)["serial_before"] == "01");
    CHECK(document(renewed)["serial"] == "2b");
    for (const auto& call : w.cluster.calls)
        CHECK_FALSE(call.starts_with("DELETE"));
    CHECK(w.app.run({"cert", "check", "web", "--not-serial", "01"}).code == 0);
    CHECK(w.app.run({"cert", "check", "web", "--not-serial", "2b"}).code == 13);
}

TEST_CASE("a renewal that fails says why while the old certificate serves on")
{
    FakeWorld w;
    put_certificate(w, make_certificate(wish_of(w, 3)));
    w.cluster.controllers = [&w] {
        auto object = w.cluster.at(k_certificate);
        auto& conditions = object["status"]["conditions"];
        if (conditions.size() < 2 || conditions[1]["status"] == "False")
            return;
        conditions[1] = {{"type", "Issuing"},
                         {"status", "False"},
                         {"reason", "Failed"},
                         {"message", "the order is invalid"}};
        w.cluster.put(k_certificate, std::move(object));
    };
    const auto failed = w.app.run({"cert", "renew", "web"});
    CHECK(failed.code == 10);
    CHECK(failed.err.contains("the order is invalid"));
}

TEST_CASE("without a manager of certificates its verbs are refused and say so")
{
    FakeWorld w;
    for (const auto& words : {std::vector<std::string>{"cert", "ls"},
                              {"cert", "show", "web"},
                              {"cert", "check", "web"},
                              {"cert", "renew", "web"},
                              {"cert", "watch", "web"}}) {
        const auto r = w.app.run(words);
        CHECK(r.code == 3);
        CHECK(r.err.contains("no cert-manager"));
    }
}

// The instances' commands are processes of this machine, which may have tools of its own.
class OnlyThese {
  public:
    explicit OnlyThese(const fs::path& folder) : before_(::getenv("PATH")) // NOLINT(concurrency-mt-unsafe)
    {
        REQUIRE(make_dirs(folder));
        for (const auto* name :
             {"sh", "df", "cat", "head", "mkdir", "rm", "mv", "sleep", "sha256sum", "grep"})
            for (const auto* place : {"/bin/", "/usr/bin/"})
                if (fs::exists(std::string(place) + name) && !fs::exists(folder / name))
                    fs::create_symlink(std::string(place) + name, folder / name);
        ::setenv("PATH", folder.c_str(), 1); // NOLINT(concurrency-mt-unsafe)
    }
    ~OnlyThese() { ::setenv("PATH", before_.c_str(), 1); } // NOLINT(concurrency-mt-unsafe)
    OnlyThese(const OnlyThese&) = delete;

  private:
    std::string before_;
};

TEST_CASE("a dump arrives whole and private, and leaves nothing behind")
{
    FakeWorld w;
    const auto tools = w.app.home() / "tools";
    REQUIRE(make_dirs(tools));
    REQUIRE(make_dirs(w.app.home() / "space"));
    REQUIRE(write_file(tools / "gcore", "#!/bin/sh\nhead -c 300000 /dev/urandom >\"$2.$3\"\n"));
    ::chmod((tools / "gcore").c_str(), 0700);
    const OnlyThese path(tools);
    const auto out = (w.app.home() / "heap.dmp").string();
    const auto r = w.app.run({"dump", "agent", "--pid", std::to_string(::getpid()), "--out", out, "--folder",
                              (w.app.home() / "space").string(), "-y", "-o", "json"});
    INFO(r.err);
    CHECK(r.code == 0);
    CHECK(document(r)["bytes"] == 300000);
    CHECK(document(r)["tool"] == "gcore");
    struct stat info{};
    REQUIRE(::stat(out.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0600U);
    CHECK(fs::is_empty(w.app.home() / "space"));
}

TEST_CASE("a heap without a tool is refused with what to do, threads are told by the kernel")
{
    FakeWorld w;
    const OnlyThese path(w.app.home() / "tools");
    const auto pid = std::to_string(::getpid());
    const auto out = (w.app.home() / "threads.txt").string();
    const auto none = w.app.run({"dump", "agent", "--pid", pid, "--out", out, "-y"});
    CHECK(none.code == 3);
    CHECK(none.err.contains("--kind threads"));
    CHECK_FALSE(fs::exists(out));
    const auto threads = w.app.run({"dump", "agent", "--kind", "threads", "--pid", pid, "--out", out, "-y"});
    INFO(threads.err);
    CHECK(threads.code == 0);
    CHECK(read_file(out).value().contains("thread " + pid));
    CHECK(w.app.run({"dump", "agent", "--pid", "4194000", "--out", out, "-y"}).code == 1);
}

TEST_CASE("emergency mode is lifted by two people, and comes back when the labelled set fails")
{
    FakeWorld w;
    REQUIRE(w.app.run({"safety", "emergency", "on", "-y", "--reason", "filter failure"}).code == 0);
    const std::vector<std::string> off{"safety",    "emergency", "off",  "--confirm",
                                       "emergency", "--reason",  "fixed"};
    const auto with = [&](std::vector<std::string> more) {
        more.insert(more.begin(), off.begin(), off.end());
        return w.app.run(more);
    };
    CHECK(with({}).code == 3);
    CHECK(with({"--approve", "Maria"}).code == 3); // who types it
    CHECK(*w.agents.overrides.at("safety/emergency").value == true);
    const auto set = (w.app.home() / "cases.yaml").string();
    REQUIRE(write_file(set, "- {text: good morning, blocked: true}\n"));
    const auto wrong = with({"--approve", "jonas", "--labelled", set});
    INFO(wrong.out << wrong.err);
    CHECK(wrong.code == 13);
    CHECK(*w.agents.overrides.at("safety/emergency").value == true); // blocked again
    REQUIRE(write_file(set, "- {text: good morning, blocked: false}\n"));
    const auto lifted = with({"--approve", "jonas", "--labelled", set});
    INFO(lifted.out << lifted.err);
    CHECK(lifted.code == 0);
    CHECK(w.app.run({"history", "ls", "-o", "json"}).out.contains("fixed (approved by jonas)"));
}

TEST_CASE("a block that a replica does not show is named, stands, and with --or-stop nothing speaks")
{
    FakeWorld w;
    w.agents.after_call = [&](const AgentCall& call) {
        if (call.method == "PATCH")
            w.agents.cannot_apply["safety/emergency"] = Json(true);
    };
    w.agents.answers["/admin/v1/safety/test"] = Json{{"allowed", true}};
    const auto half = w.app.run({"safety", "emergency", "on", "-y", "--timeout", "1s"});
    INFO(half.err);
    CHECK(half.code != 0);
    CHECK(half.code != 9); // never lifted again
    CHECK(w.agents.overrides.contains("safety/emergency"));
    CHECK(half.err.contains("agent-"));
    CHECK(w.orchestrator.wanted == 2);
    const auto closed = w.app.run({"safety", "emergency", "on", "--or-stop", "--reason", "filter failure",
                                   "-y", "--timeout", "2s", "-o", "json"});
    INFO(closed.out << closed.err);
    CHECK(w.orchestrator.wanted == 0);
    CHECK(closed.code == 11);
}

TEST_CASE("rules that were approved are compared with those of each replica")
{
    FakeWorld w;
    const auto file = (w.app.home() / "rules.json").string();
    REQUIRE(write_file(file, w.app.run({"safety", "rules", "-o", "json"}).out));
    const auto same = w.app.run({"safety", "rules", "verify", "--approved", file, "-o", "json"});
    INFO(same.err);
    CHECK(same.code == 0);
    const auto checksum = document(same)["items"][0]["checksum"].get<std::string>();
    CHECK(w.app.run({"safety", "rules", "verify", "--checksum", checksum.substr(0, 12)}).code == 0);
    CHECK(w.app.run({"safety", "rules", "verify", "--checksum", "ffff"}).code == 14);
    REQUIRE(write_file(file, R"([{"name":"weapons","pattern":"x"}])"));
    const auto other = w.app.run({"safety", "rules", "verify", "--approved", file, "-o", "json"});
    CHECK(other.code == 14);
    CHECK(other.out.contains("weapons"));
    REQUIRE(write_file(file, "tea"));
    CHECK(w.app.run({"safety", "rules", "verify", "--approved", file}).code == 2);
    CHECK(w.app.run({"safety", "rules", "verify"}).code == 2);
}

TEST_CASE("restart --unhealthy leaves alone what starts, and what has not been unready for long")
{
    FakeWorld w;
    w.orchestrator.most_alive = 1;
    const auto looping = w.app.run({"restart", "--unhealthy", "-y", "--dry-run", "-o", "json"});
    INFO(looping.err);
    CHECK(looping.out.contains("agent-2"));
    CHECK_FALSE(looping.out.contains("agent-1"));
    w.orchestrator.most_alive = 50;
    CHECK(document(w.app.run({"restart", "--unhealthy", "-y", "-o", "json"}))["changed"] == false);
}

TEST_CASE("pods that are not ready make health end with 13")
{
    FakeWorld w;
    CHECK(w.app.run({"health", "pods"}).code == 0);
    w.orchestrator.most_alive = 1;
    const auto bad = w.app.run({"health", "pods"});
    CHECK(bad.code == 13);
    CHECK(bad.out.contains("agent-2"));
}
