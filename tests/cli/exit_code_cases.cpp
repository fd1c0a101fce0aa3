// SPDX-License-Identifier: Apache-2.0
#include "tests/cli/exit_codes.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace conduit::test {
namespace {

using enum ErrorKind;

const Words k_disable{"provider", "disable", "openai", "-y"};

Inject config(std::string text)
{
    return [text = std::move(text)](Stage& s) { s.world.app.write_config(text); };
}

// A folder stands where the file should be.
void config_is_a_folder(Stage& s)
{
    s.write("config/conduitctl/config.yaml/x", "");
}

void journal_is_a_file(Stage& s)
{
    s.write("state/conduitctl/journal", "");
}

void nobody_may_read(Stage& s)
{
    s.words.insert(s.words.begin(), "NOBODY");
}

Inject words(Words all)
{
    return [all = std::move(all)](Stage& s) { s.words = all; };
}

Inject answers(std::string path, Json body)
{
    return
        [path = std::move(path), body = std::move(body)](Stage& s) { s.world.agents.answers[path] = body; };
}

void open_circuit(Stage& s)
{
    s.world.agents.providers[0].circuit = "open";
}

void disagree(Stage& s)
{
    s.world.agents.before_call = [&agents = s.world.agents](const AgentCall&) {
        if (agents.overrides.erase("safety/emergency") == 0)
            agents.overrides["safety/emergency"] = {Json(true), "bob", "", "", {}, 1};
    };
}

void add_agent_reads(std::vector<Case>& out)
{
    const auto* read = &agent_read_faults();
    const std::string labelled = "- {text: good morning, blocked: false}\n";
    const Json failing{{"provider", "openai"}, {"ok", false}, {"status", 500},
                       {"took_ms", 1},         {"error", ""}, {"outcome", "error"}};
    const Json half{
        {"requested", 2}, {"warmed", 1}, {"present", 0}, {"failed", 1}, {"errors", Json::array()}};
    const std::vector<Case> cases{
        {.verb = "provider ls", .words = {"provider", "ls"}, .faults = read},
        {.verb = "provider show", .words = {"provider", "show", "openai"}, .faults = read},
        {.verb = "provider test",
         .words = {"provider", "test", "openai"},
         .faults = read,
         .more = {{breached, answers("/admin/v1/providers/openai/test", failing)}}},
        {.verb = "provider health",
         .words = {"provider", "health"},
         .faults = read,
         .more = {{breached, open_circuit}}},
        {.verb = "provider quota", .words = {"provider", "quota"}, .faults = read},
        {.verb = "provider latency", .words = {"provider", "latency"}, .faults = read},
        {.verb = "provider status-page", .words = {"provider", "status-page", "openai"}, .faults = read},
        {.verb = "circuit show", .words = {"circuit", "show"}, .faults = read},
        {.verb = "cache stats", .words = {"cache", "stats"}, .faults = read},
        {.verb = "cache keys", .words = {"cache", "keys"}, .faults = read},
        {.verb = "cache warm",
         .words = {"cache", "warm", "--from-file", "FILE"},
         .faults = read,
         .more = {{refused, [](Stage& s) { s.words.insert(s.words.end(), {"--most", "1"}); }},
                  {partial, answers("/admin/v1/cache/warm", half)}},
         .content = "good morning\ngood night\n"},
        {.verb = "pool stats", .words = {"pool", "stats"}, .faults = read},
        {.verb = "pool connections", .words = {"pool", "connections"}, .faults = read},
        {.verb = "limit show", .words = {"limit", "show"}, .faults = read},
        {.verb = "blocklist ls", .words = {"blocklist", "ls"}, .faults = read},
        {.verb = "safety status", .words = {"safety", "status"}, .faults = read},
        {.verb = "safety rules", .words = {"safety", "rules"}, .faults = read},
        {.verb = "safety rules verify",
         .words = {"safety", "rules", "verify", "--approved", "FILE"},
         .faults = read,
         .more = {{differs, [](Stage& s) { s.write("FILE", R"([{"name":"x","pattern":"y"}])"); }}},
         .content = "[]"},
        {.verb = "safety test",
         .words = {"safety", "test", "good morning"},
         .faults = read,
         .more = {{breached, disagree}}},
        {.verb = "safety verify",
         .words = {"safety", "verify", "--labelled", "FILE"},
         .faults = read,
         .more = {{breached, [](Stage& s) { s.write("FILE", "- {text: good morning, blocked: true}\n"); }}},
         .content = labelled},
        {.verb = "usage top", .words = {"usage", "top"}, .faults = read},
        {.verb = "usage show", .words = {"usage", "show"}, .faults = read},
        {.verb = "metrics get", .words = {"metrics", "get"}, .faults = read},
        {.verb = "metrics watch",
         .words = {"metrics", "watch"},
         .faults = read,
         .more = {{ok, [](Stage& s) { s.world.app.console.reader_gone = true; }}}},
        {.verb = "config get", .words = {"config", "get"}, .faults = read},
        {.verb = "config diff",
         .words = {"config", "diff"},
         .faults = read,
         .more = {{differs, [](Stage& s) { s.world.app.run(k_disable); }}}},
        {.verb = "health", .words = {"health"}, .faults = read, .more = {{breached, open_circuit}}},
    };
    out.insert(out.end(), cases.begin(), cases.end());
}

void add_workload_reads(std::vector<Case>& out)
{
    for (const auto& line : std::vector<Words>{{"ps"}, {"top"}, {"logs"}, {"scale", "show"}})
        out.push_back({.verb = line.size() > 1 ? line[0] + " " + line[1] : line[0],
                       .words = line,
                       .faults = &workload_read_faults()});
}

void add_wait(std::vector<Case>& out)
{
    out.push_back({.verb = "wait",
                   .words = {"wait", "agent"},
                   .faults = &workload_read_faults(),
                   .more = {{unverified,
                             [](Stage& s) {
                                 s.world.orchestrator.unready = 1;
                                 s.words.insert(s.words.end(), {"--timeout", "1ms"});
                             }},
                            {breached, [](Stage& s) { s.world.orchestrator.most_alive = 1; }}}});
}

void add_streams(std::vector<Case>& out)
{
    const Inject cut_off = [](Stage& s) {
        s.world.streams.faults["exec"] = {interrupted, "interrupted; the command may go on"};
    };
    // The command stands after "--", where no flag of ours is looked for.
    const auto before_mark = [](Words more) {
        return [more = std::move(more)](Stage& s) {
            s.words.insert(std::ranges::find(s.words, "--"), more.begin(), more.end());
        };
    };
    const auto ends_with = [](int code) { return [=](Stage& s) { s.world.streams.ends_with = code; }; };
    out.push_back({.verb = "exec",
                   .words = {"exec", "agent", "--", "true"},
                   .faults = &stream_change_faults(),
                   .more = {{usage, before_mark({"--no-such-flag"})},
                            {not_found, before_mark({"-C", "nope"})},
                            {partial, cut_off}}});
    out.push_back({.verb = "cp",
                   .words = {"cp", "FILE", "agent:copy"},
                   .faults = &stream_change_faults(),
                   .content = "some text\n"});
    out.push_back({.verb = "net ping",
                   .words = {"net", "ping", "agent", "redis:6379"},
                   .faults = &stream_read_faults(),
                   .more = {{refused, ends_with(64)}, {breached, ends_with(1)}},
                   .before = ends_with(0)});
    out.push_back({.verb = "dump",
                   .words = {"dump", "agent", "--kind", "threads", "--pid", std::to_string(::getpid()),
                             "--out", "FILE.dump", "-y"},
                   .faults = &stream_change_faults()});
    out.push_back({.verb = "forward",
                   .words = {"forward", "agent", "0:9", "--timeout", "1ms"},
                   .faults = &stream_read_faults()});
}

void add_cluster(std::vector<Case>& out)
{
    const Inject prepared = [](Stage& s) {
        s.world.cluster.put("/api/v1/namespaces/production/secrets/audio",
                            Json{{"type", "Opaque"}, {"data", {{"KEY", "b2xk"}}}});
        s.world.cluster.put("/api/v1/namespaces/production/services/audio",
                            Json{{"spec", {{"selector", {{"app", "audio"}}}}}});
        s.world.cluster.put("/apis/discovery.k8s.io/v1beta1/namespaces/production/endpointslices/audio-1",
                            Json{{"endpoints", {{{"addresses", {"10.0.0.1"}}}}}});
        s.world.deployments.deploy("audio", 2, R"({"containers":[{"name":"main","env":[{"name":"KEY",
            "valueFrom":{"secretKeyRef":{"name":"audio","key":"KEY"}}}]}]})");
        s.world.app.console.stdin_text = "a new value";
    };
    const Inject no_slice = [](Stage& s) {
        s.world.cluster.remove("/apis/discovery.k8s.io/v1beta1/namespaces/production/endpointslices/audio-1");
    };
    const auto* read = &cluster_read_faults();
    out.push_back({.verb = "secret ls", .words = {"secret", "ls"}, .faults = read, .before = prepared});
    out.push_back(
        {.verb = "secret show", .words = {"secret", "show", "audio"}, .faults = read, .before = prepared});
    out.push_back({.verb = "net endpoints",
                   .words = {"net", "endpoints", "audio"},
                   .faults = read,
                   .more = {{breached, no_slice}},
                   .before = prepared});
    out.push_back({.verb = "secret set",
                   .words = {"secret", "set", "audio", "KEY", "--from-stdin", "--restart", "-y"},
                   .faults = &cluster_change_faults(),
                   .before = prepared});
}

void add_release_reads(std::vector<Case>& out)
{
    const auto* read = &release_read_faults();
    const auto state = [](const char* name) { return [=](Stage& s) { s.world.releases.state = name; }; };
    const Inject no_cluster = [](Stage& s) {
        s.world.app.write_config("contexts: {local: {orchestrator: kubernetes}}\n");
        s.world.releases.faults["*"] = {refused, "no"};
    };
    const std::vector<Case> cases{
        {.verb = "rollout status",
         .words = {"rollout", "status", "--wait"},
         .faults = read,
         .more = {{unverified, state("progressing")}, {breached, state("stuck")}}},
        {.verb = "rollout history", .words = {"rollout", "history"}, .faults = read},
        {.verb = "rollout precheck",
         .words = {"rollout", "precheck"},
         .faults = read,
         .more = {{breached, [](Stage& s) { s.world.releases.precheck_fails = true; }}}},
        {.verb = "canary status",
         .words = {"canary", "status"},
         .faults = read,
         .more = {{breached, [](Stage& s) { s.world.releases.set("canary/aborted", true); }}}},
        {.verb = "resources show", .words = {"resources", "show"}, .faults = read},
        {.verb = "autoscale show", .words = {"autoscale", "show"}, .faults = read},
        {.verb = "events",
         .words = {"events"},
         .faults = &workload_read_faults(),
         .more = {{refused, no_cluster}}},
        {.verb = "describe",
         .words = {"describe", "agent"},
         .faults = &workload_read_faults(),
         .more = {{refused, no_cluster}}},
    };
    out.insert(out.end(), cases.begin(), cases.end());
}

// What no replica can fail to apply sets a value in its place.
Faults only_of(const std::string& verb)
{
    if (verb == "provider enable")
        return {{rolled_back, [](Stage& s) {
                     s.words.insert(s.words.end(), {"--for", "1h"});
                     agent_change_faults().at(rolled_back)(s);
                 }}};
    if (verb == "safety emergency") // a set of texts that are not judged as they should be
        return {{breached, [](Stage& s) {
                     s.write("FILE", "- {text: good morning, blocked: true}\n");
                     s.world.app.run({"safety", "emergency", "on", "-y"});
                     s.words = {"safety",
                                "emergency",
                                "off",
                                "--approve",
                                "jonas",
                                "--confirm",
                                "emergency",
                                "--reason",
                                "repaired",
                                "--labelled",
                                s.file("FILE").string()};
                 }}};
    if (verb == "undo")
        return {{rolled_back, [](Stage& s) {
                     for (const auto* weight : {"50", "60"})
                         s.world.app.run({"config", "set", "providers/openai/weight", weight, "-y"});
                     s.words = {"undo", s.newest_operation(), "-y"};
                     agent_change_faults().at(rolled_back)(s);
                 }}};
    return {};
}

void add_changes(std::vector<Case>& out)
{
    for (const auto& row : change_rows()) {
        if (row.variant)
            continue;
        const bool workload = row.verb.starts_with("scale") || row.verb == "restart" ||
                              row.verb == "rollout restart" || row.verb == "stop" || row.verb == "start";
        const auto* faults = workload ? &workload_change_faults() : &agent_change_faults();
        out.push_back({.verb = row.verb,
                       .words = row.words,
                       .faults = row.of_release ? &release_change_faults() : faults,
                       .more = only_of(row.verb),
                       .before =
                           [row](Stage& s) {
                               s.world.app.write_config("contexts: {local: {guards: {max_replicas: 5}}}\n");
                               for (const auto& line : row.before)
                                   s.world.app.run(line);
                           },
                       .content = "providers/openai/weight: 50\n"});
    }
    out.push_back({.verb = "resume",
                   .words = {"resume", "ID", "-y"},
                   .faults = &agent_change_faults(),
                   .before = [](Stage& s) { s.cut_off(k_disable); }});
}

void add_records(std::vector<Case>& out)
{
    const auto* files = &file_faults();
    const Inject one_done = [](Stage& s) { s.world.app.run(k_disable); };
    const Inject broken = journal_is_a_file;
    const Inject no_locks = [](Stage& s) {
        fs::remove_all(s.file("state/conduitctl/locks"));
        s.write("state/conduitctl/locks", "");
    };
    const Inject held = [](Stage& s) { s.hold_every_lock(); };
    const Inject cut = [](Stage& s) {
        const auto month = s.journal() / "2026-11.jsonl";
        const auto text = read_file(month).value();
        s.write("state/conduitctl/journal/2026-11.jsonl",
                text.substr(0, text.rfind('\n', text.size() - 2) + 1));
    };
    const std::vector<Case> cases{
        {.verb = "history ls", .words = {"history", "ls"}, .faults = files, .more = {{failed, broken}}},
        {.verb = "history show",
         .words = {"history", "show", "ID"},
         .faults = files,
         .more = {{failed,
                   [=](Stage& s) {
                       s.words = {"history", "show", "01"};
                       fs::remove_all(s.journal());
                       broken(s);
                   }},
                  {not_found, words({"history", "show", "01ZZ"})}},
         .before = one_done},
        {.verb = "history verify",
         .words = {"history", "verify"},
         .faults = files,
         .more = {{failed,
                   [=](Stage& s) {
                       fs::remove_all(s.journal());
                       broken(s);
                   }},
                  {breached, cut}},
         .before = one_done},
        {.verb = "history pending",
         .words = {"history", "pending"},
         .faults = files,
         .more = {{failed, broken}}},
        {.verb = "lock ls", .words = {"lock", "ls"}, .faults = files, .more = {{failed, no_locks}}},
        {.verb = "lock show",
         .words = {"lock", "show", "providers of fake"},
         .faults = files,
         .more = {{ok, held}, {failed, no_locks}, {not_found, words({"lock", "show", "tea"})}}},
        {.verb = "lock steal",
         .words = {"lock", "steal", "providers of fake", "--reason", "it hangs"},
         .faults = files,
         .more = {{refused, held},
                  {failed, no_locks},
                  {not_found, words({"lock", "steal", "tea", "--reason", "x"})}},
         .before = one_done},
        {.verb = "reversals serve",
         .words = {"reversals", "serve", "--once"},
         .faults = files,
         .more = {{failed, [](Stage& s) { s.write("data/conduit/state/reversals", ""); }},
                  {not_found, [](Stage& s) { s.words.insert(s.words.end(), {"-C", "nope"}); }}}},
    };
    out.insert(out.end(), cases.begin(), cases.end());
}

void add_contexts(std::vector<Case>& out)
{
    const auto* files = &file_faults();
    const auto two = config("contexts: {local: {}, prod: {}}\n");
    const auto nope = [](Words all) {
        return Faults{
            {failed, config_is_a_folder}, {not_found, words(std::move(all))}, {auth, nobody_may_read}};
    };
    const auto no_secret = config("contexts: {local: {agent: {token: \"env:NO_SUCH\"}}}\n");
    auto check = nope({"context", "check", "nope"});
    check[breached] = no_secret;
    check[interrupted] = [](Stage& s) { s.interrupt(); };
    auto remove = nope({"context", "rm", "nope"});
    remove[refused] = words({"context", "rm", "prod"});
    remove[ok] = words({"context", "rm", "other"});
    const auto three = config("current-context: prod\ncontexts: {prod: {}, other: {}}\n");
    const std::vector<Case> cases{
        {.verb = "context ls",
         .words = {"context", "ls"},
         .faults = files,
         .more = nope({"context", "ls", "-C", "nope"})},
        {.verb = "context use",
         .words = {"context", "use", "prod"},
         .faults = files,
         .more = nope({"context", "use", "nope"}),
         .before = two},
        {.verb = "context show",
         .words = {"context", "show"},
         .faults = files,
         .more = nope({"context", "show", "nope"})},
        {.verb = "context set",
         .words = {"context", "set", "guards.min_replicas", "3"},
         .faults = files,
         .more = nope({"context", "set", "system", "audio", "-C", "nope"})},
        {.verb = "context add", .words = {"context", "add", "new"}, .faults = files, .more = nope({})},
        {.verb = "context rm",
         .words = {"context", "rm", "other"},
         .faults = files,
         .more = remove,
         .before = three},
        {.verb = "context check", .words = {"context", "check"}, .faults = files, .more = check},
        {.verb = "doctor",
         .words = {"doctor"},
         .faults = files,
         .more = {{breached, no_secret}, {interrupted, [](Stage& s) { s.interrupt(); }}}},
    };
    for (const auto& c : cases) {
        out.push_back(c);
        if (out.back().before == nullptr)
            continue;
        // The damage comes instead of what was prepared.
        out.back().more[failed] = [](Stage& s) {
            fs::remove_all(s.file("config"));
            config_is_a_folder(s);
        };
    }
}

void add_documents(std::vector<Case>& out)
{
    const auto* files = &file_faults();
    const std::vector<Case> cases{
        {.verb = "version", .words = {"version"}, .faults = files},
        {.verb = "help", .words = {"help"}, .faults = files, .more = {{not_found, words({"help", "tea"})}}},
        {.verb = "commands",
         .words = {"commands"},
         .faults = files,
         .more = {{not_found, words({"commands", "tea"})}}},
        {.verb = "completion", .words = {"completion", "bash"}, .faults = files},
        {.verb = "docs man",
         .words = {"docs", "man"},
         .faults = files,
         .more = {{not_found, words({"docs", "man", "tea"})}}},
        {.verb = "docs markdown",
         .words = {"docs", "markdown"},
         .faults = files,
         .more = {{not_found, words({"docs", "markdown", "tea"})}}},
        {.verb = "docs schema",
         .words = {"docs", "schema"},
         .faults = files,
         .more = {{not_found, words({"docs", "schema", "tea"})}}},
        {.verb = "docs generate",
         .words = {"docs", "generate", "--to", "FILE.d"},
         .faults = files,
         .more = {{failed, [](Stage& s) { s.words = {"docs", "generate", "--to", s.file("FILE").string()}; }},
                  {auth, nobody_may_read},
                  {differs, [](Stage& s) { s.words.emplace_back("--check"); }}},
         .content = "a file, not a folder"},
    };
    out.insert(out.end(), cases.begin(), cases.end());
}

} // namespace

const std::vector<Case>& exit_code_cases()
{
    static const std::vector<Case> cases = [] {
        std::vector<Case> all;
        add_agent_reads(all);
        add_workload_reads(all);
        add_wait(all);
        add_streams(all);
        add_release_reads(all);
        add_changes(all);
        add_cluster(all);
        for (auto* more : {&backup_cases, &volume_cases, &postgres_cases, &redis_cases})
            for (auto& one : more())
                all.push_back(std::move(one));
        add_records(all);
        add_contexts(all);
        add_documents(all);
        const auto local = local_cases();
        all.insert(all.end(), local.begin(), local.end());
        return all;
    }();
    return cases;
}

} // namespace conduit::test
