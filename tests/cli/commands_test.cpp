// SPDX-License-Identifier: Apache-2.0
#include "cli/command/reference.hpp"
#include "core/process.hpp"
#include "core/text.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/test_app.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

using namespace conduit;
using conduit::test::check_golden;
using conduit::test::RunResult;
using conduit::test::TestApp;

namespace {

constexpr std::string_view k_two_contexts = "current-context: prod\n"
                                            "contexts:\n"
                                            "  prod:\n"
                                            "    orchestrator: kubernetes\n"
                                            "    kubernetes: {namespace: production}\n"
                                            "    guards: {protected: true}\n"
                                            "  staging: {orchestrator: compose}\n";

std::string transcript(const std::string& line, const RunResult& r)
{
    return "$ " + line + "\n" + r.out + r.err + "[exit " + std::to_string(r.code) + "]\n";
}

// Runs each line in one TestApp; HOME is shown as ~, so nothing else needs scrubbing.
std::string transcripts(TestApp& t, const std::vector<std::string>& lines)
{
    std::string text;
    for (const std::string& line : lines)
        text += transcript("conduitctl " + line, t.run(split(line, ' ')));
    return replace_all(text, t.home().string(), "~");
}

Result<std::vector<Candidate>> live_fetch(App& app, std::span<const std::string>)
{
    if (!app.env_or("TEST_BACKEND_DOWN", "").empty())
        return fail(ErrorKind::unreachable, "cannot reach the agents");
    return std::vector<Candidate>{{"openai", "70"}, {"google", "20"}};
}

// Depends on what stands on the line already, as the instances of a workload do.
Result<std::vector<Candidate>> fetch_by_words(App&, std::span<const std::string> words)
{
    return std::vector<Candidate>{{"after-" + words.back(), ""}, {"openai", ""}};
}

Registry live_registry()
{
    Registry registry = commands::all();
    struct Options {
        std::string provider;
    };
    struct Names {
        std::vector<std::string> names;
    };
    registry.push_back(standalone<Names>(
        Group::routing, {.name = "prod", .summary = "Prod some"},
        [](Flags& flags, Names& o) {
            flags.rest("NAME", o.names, "Names")
                .complete({.key = "prods", .fetch = fetch_by_words, .by_words = true});
        },
        [](App&, const Names&) -> Result<Report> { return Report{}; }));
    registry.push_back(standalone<Options>(
        Group::routing, {.name = "poke", .summary = "Poke a provider"},
        [](Flags& flags, Options& o) {
            flags.arg("PROVIDER", o.provider, "Provider").complete({.key = "pokes", .fetch = live_fetch});
        },
        [](App&, const Options&) -> Result<Report> { return Report{}; }));
    return registry;
}

} // namespace

TEST_CASE("help of the program, a noun and a verb")
{
    TestApp t;
    check_golden(
        "tests/golden/cli/help.txt",
        transcripts(t, {"--help", "context --help", "context add --help", "help exit-codes", "help output"}));
}

TEST_CASE("contexts as table, json, yaml, name and jsonpath")
{
    TestApp t;
    t.write_config(k_two_contexts);
    check_golden(
        "tests/golden/cli/context.txt",
        transcripts(t, {"context ls", "context ls -o wide", "context ls -o json", "context show -o yaml",
                        "context ls -o name", "context ls -o jsonpath={.items[*].name}",
                        "context show staging -o json", "context check -q"}));
}

TEST_CASE("errors as text and as json")
{
    TestApp t;
    t.write_config(k_two_contexts);
    check_golden(
        "tests/golden/cli/errors.txt",
        transcripts(t, {"contxt ls", "context lss", "context", "context use", "context use prd",
                        "context ls --outptu json", "context ls -o xml", "context show -C nope -o json",
                        "context rm prod", "context ls -o jsonpath={.items[", "completion tcsh",
                        "help exit-code", "docs schema confg", "docs man context ad"}));
}

TEST_CASE("a context is added, chosen, changed and removed")
{
    TestApp t;
    CHECK(t.run({"context", "add", "prod", "--orchestrator", "kubernetes", "--kube-namespace", "p", "--use"})
              .code == 0);
    CHECK(t.run({"context", "show", "-o", "jsonpath={.kubernetes.namespace}"}).out == "p\n");
    CHECK(t.run({"context", "set", "guards.min_replicas", "3"}).code == 0);
    CHECK(t.run({"context", "show", "-o", "jsonpath={.guards.min_replicas}"}).out == "3\n");
    CHECK(t.run({"context", "set", "guards.min_replicas"}).code == 2);
    CHECK(t.run({"context", "use", "local"}).code == 0);
    CHECK(parse_json(t.run({"context", "use", "local", "-o", "json"}).out).value()["changed"] == false);
    CHECK(t.run({"context", "rm", "prod"}).code == 0);
    CHECK(t.run({"context", "rm", "prod"}).code == 4);
    CHECK(t.run({"context", "add", "../x"}).code == 2);
}

TEST_CASE("the context comes from the flag, then the environment, then the file")
{
    TestApp t;
    t.write_config(k_two_contexts);
    const std::vector<std::string> which{"context", "show", "-o", "name"};
    CHECK(t.run(which).out == "prod\n");
    t.env["CONDUIT_CONTEXT"] = "staging";
    CHECK(t.run(which).out == "staging\n");
    CHECK(t.run({"context", "show", "-o", "name", "-C", "local"}).out == "local\n");
}

TEST_CASE("doctor finds a damaged configuration, an open file and a missing secret, and says so with 13")
{
    TestApp t;
    CHECK(t.run({"doctor"}).code == 0);
    t.write_config("contexts: {local: {guards: {min_replica: 3}, agnt: {}}}\n");
    const auto broken = t.run({"doctor"});
    CHECK(broken.code == 13);
    CHECK(broken.out.find("config.yaml:1: unknown key 'min_replica'") != std::string::npos);
    CHECK(broken.out.find("did you mean agent?") != std::string::npos);
    t.write_config("contexts: {local: {agent: {token: \"env:NO_SUCH\"}}}\n");
    const auto missing = t.run({"doctor", "-o", "json"});
    CHECK(missing.code == 13);
    const Json json = parse_json(missing.out).value();
    CHECK(json["failed"] == 1);
    CHECK(json["verdict"] == "breached");
}

TEST_CASE("doctor asks what the composition root has hooked in")
{
    TestApp t;
    t.setup = [](App& app) {
        app.reach_checks.push_back({"agents", [](App&, const Context& context) {
                                        return CheckResult{CheckResult::Status::fail,
                                                           context.name + " is silent",
                                                           "Start it: conduitctl local up"};
                                    }});
    };
    const auto r = t.run({"context", "check"});
    CHECK(r.code == 13);
    CHECK(r.out.find("local is silent") != std::string::npos);
    CHECK(r.err.find("conduitctl local up") != std::string::npos);
}

TEST_CASE("a damaged configuration is an error with its place, under json too")
{
    TestApp t;
    t.write_config("contexts:\n  a: {orchestrator: kube}\n");
    const auto r = t.run({"context", "ls", "-o", "json"});
    CHECK(r.code == 2);
    CHECK(r.out.empty());
    const Json error = parse_json(r.err).value();
    CHECK(error["error"]["name"] == "usage");
    CHECK(error["error"]["message"].get<std::string>().find("config.yaml:2:") != std::string::npos);
    CHECK(t.run({"version"}).code == 0);
}

TEST_CASE("completion offers nouns, verbs, flags, choices, contexts and files")
{
    TestApp t;
    t.write_config(k_two_contexts);
    CHECK(t.run({"__complete", "cont"}).out == "context\tThe systems this program can act on\n:4\n");
    CHECK(t.run({"__completeNoDesc", "context", "s"}).out == "show\nset\n:4\n");
    CHECK(t.run({"__completeNoDesc", "context", "use", ""}).out == "prod\nstaging\nlocal\n:4\n");
    CHECK(t.run({"__completeNoDesc", "context", "use", "prod", ""}).out == ":4\n");
    CHECK(t.run({"__completeNoDesc", "version", "-C", "st"}).out == "staging\n:4\n");
    CHECK(t.run({"__completeNoDesc", "completion", "z"}).out == "zsh\n:4\n");
    CHECK(t.run({"__completeNoDesc", "context", "add", "x", "--orchestrator", "k"}).out ==
          "kubernetes\n:4\n");
    CHECK(t.run({"__completeNoDesc", "context", "add", "--orchestrator=c"}).out ==
          "--orchestrator=compose\n:4\n");
    CHECK(t.run({"__completeNoDesc", "context", "add", "--use", "--us"}).out == ":4\n");
    CHECK(t.run({"__completeNoDesc", "context", "ls", "--config", ""}).out == ":0\n");
    CHECK(t.run({"__completeNoDesc", "version", "-o", "jsonp"}).out == "jsonpath=\n:6\n");
    CHECK(t.run({"__complete", "nonsense", ""}).out == ":4\n");
    CHECK(t.run({"__complete"}).code == 0);
}

TEST_CASE("live candidates are fetched once, kept, and refreshed behind the back")
{
    TestApp t(live_registry());
    int refreshes = 0;
    t.setup = [&](App& app) {
        app.spawn_self = [&](const std::vector<std::string>& words) {
            ++refreshes;
            App child({t.console, t.clock, t.cancel, t.env, t.registry});
            CHECK(run_cli(child, words) == 0);
        };
    };
    CHECK(t.run({"__complete", "poke", ""}).out == "openai\t70\ngoogle\t20\n:4\n");
    CHECK(t.run({"__complete", "poke", "g"}).out == "google\t20\n:4\n");
    CHECK(refreshes == 1);
}

TEST_CASE("live candidates honour the words before them, and a list does not offer what it has")
{
    TestApp t(live_registry());
    t.setup = [&](App& app) {
        app.spawn_self = [&](const std::vector<std::string>& words) {
            App child({t.console, t.clock, t.cancel, t.env, t.registry});
            CHECK(run_cli(child, words) == 0);
        };
    };
    CHECK(t.run({"__complete", "prod", ""}).out == "after-prod\nopenai\n:4\n");
    CHECK(t.run({"__complete", "prod", "openai", ""}).out == "after-openai\n:4\n");
    CHECK(t.run({"__complete", "prod", "openai=50", ""}).out == "after-openai=50\n:4\n");
}

TEST_CASE("a backend that is down makes completion empty, once and quickly")
{
    TestApp t(live_registry());
    t.env["TEST_BACKEND_DOWN"] = "1";
    int refreshes = 0;
    t.setup = [&](App& app) {
        app.spawn_self = [&](const std::vector<std::string>& words) {
            ++refreshes;
            App child({t.console, t.clock, t.cancel, t.env, t.registry});
            run_cli(child, words);
        };
    };
    CHECK(t.run({"__complete", "poke", ""}).out == ":4\n");
    CHECK(t.run({"__complete", "poke", ""}).out == ":4\n");
    CHECK(refreshes == 1);
}

TEST_CASE("a refresher that hangs costs a TAB at most 250 ms")
{
    TestApp t(live_registry());
    t.setup = [](App& app) { app.spawn_self = [](const std::vector<std::string>&) {}; };
    const auto begin = std::chrono::steady_clock::now();
    CHECK(t.run({"__complete", "poke", ""}).out == ":4\n");
    CHECK(std::chrono::steady_clock::now() - begin < 250ms);
}

TEST_CASE("committed completions, reference and manual pages are fresh")
{
    const Registry registry = commands::all();
    for (const GeneratedFile& file : generated_files(registry)) {
        INFO("conduitctl docs generate --to . writes " << file.path);
        const auto committed = read_file(fs::path(CONDUIT_SOURCE_DIR) / file.path);
        REQUIRE(committed);
        CHECK(*committed == file.content);
    }
}

TEST_CASE("every noun stands under its own name")
{
    const Registry registry = commands::all();
    const auto names = registry.names();
    std::vector<std::string_view> own;
    for (const Noun& noun : registry)
        own.push_back(noun.name);
    CHECK(own == names);
    CHECK(std::ranges::all_of(names, [&](auto name) { return registry.find(name)->name == name; }));
}

TEST_CASE("the reader's going away ends a stream without an error")
{
    TestApp t;
    t.console.reader_gone = true;
    App app({t.console, t.clock, t.cancel, t.env, t.registry});
    CHECK(app.emit("line", Json{{"a", 1}}).error().kind == ErrorKind::interrupted);
}

TEST_CASE("steps run in-process and inherit the context")
{
    TestApp t;
    t.write_config(k_two_contexts);
    App app({t.console, t.clock, t.cancel, t.env, t.registry});
    GlobalOptions global;
    global.context = "staging";
    app.set_global(global);
    const std::vector<std::string> words{"context", "show"};
    const auto report = app.run(words);
    REQUIRE(report);
    CHECK((*report->data)["name"] == "staging");
    CHECK(t.console.out_text.empty());
    const std::vector<std::string> other{"context", "show", "-C", "prod"};
    CHECK((*app.run(other)->data)["name"] == "prod");
    CHECK(app.global().context == "staging");
}
