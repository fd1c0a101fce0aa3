// SPDX-License-Identifier: Apache-2.0
#include "tests/cli/exit_codes.hpp"

#include "tests/support/fakes/child.hpp"

#include <nlohmann/json.hpp>
#include <sys/stat.h>

namespace conduit::test {
namespace {

using enum ErrorKind;

constexpr const char* k_patch = "PATCH /admin/v1/state";
constexpr const char* k_protected = "contexts: {local: {guards: {protected: true, max_replicas: 5}}}\n";

Inject agents_say(const char* where, ErrorKind kind)
{
    return [=](Stage& s) { s.world.agents.faults[where] = {kind, "the agent says no"}; };
}

Inject orchestrator_says(const char* where, ErrorKind kind)
{
    return [=](Stage& s) { s.world.orchestrator.faults[where] = {kind, "the supervisor says no"}; };
}

Inject streams_say(const char* where, ErrorKind kind)
{
    return [=](Stage& s) { s.world.streams.faults[where] = {kind, "the instance says no"}; };
}

Inject changes_meet(ErrorKind kind)
{
    return [=](Stage& s) {
        s.world.orchestrator.faults["scale"] = {kind, "the supervisor says no"};
        s.world.orchestrator.faults["restart"] = {kind, "the supervisor says no"};
    };
}

Inject with(Words more)
{
    return [=](Stage& s) { s.words.insert(s.words.end(), more.begin(), more.end()); };
}

void protect(Stage& s)
{
    s.world.app.write_config(k_protected);
}

// Between the plan and the write somebody else writes the same fields.
void meddle(Stage& s)
{
    s.world.agents.before_call = [&agents = s.world.agents](const AgentCall& call) {
        if (call.method == "PATCH")
            for (const auto& [path, expected] : (*call.body)["expect"].items())
                agents.overrides[path] = {Json("bob's"), "bob", "", "", {}, agents.revision};
    };
}

// A replica that cannot use what is written.
void refuse_to_apply(Stage& s)
{
    s.world.agents.after_call = [&agents = s.world.agents](const AgentCall& call) {
        if (call.method == "PATCH" && agents.cannot_apply.empty())
            for (const auto& [path, value] : (*call.body)["set"].items())
                agents.cannot_apply[path] = value;
    };
}

void interrupt_after_writing(Stage& s)
{
    s.world.agents.after_call = [&app = s.world.app](const AgentCall& call) {
        if (call.method == "PATCH")
            app.cancel.request();
    };
    s.world.orchestrator.after_call = [&app = s.world.app](const std::string&) { app.cancel.request(); };
}

// The first change comes to nothing, what takes it back works.
void die_at_once(Stage& s)
{
    s.world.orchestrator.after_call = [&o = s.world.orchestrator, calls = 0](const std::string&) mutable {
        o.most_alive = ++calls == 1 ? 0 : 50;
    };
}

void scale_meanwhile(Stage& s)
{
    s.world.orchestrator.before_call = [&o = s.world.orchestrator](const std::string& call) {
        o.wanted += call == "scale" ? 1 : 0;
    };
}

using ClusterReply = std::optional<Result<kube::Answer>>;

// Where: what the call's method and path contain; "" is every call.
Inject cluster_says(std::string method, std::string where, Result<kube::Answer> answer)
{
    return [=](Stage& s) {
        s.world.cluster_fault = [=](const kube::Call& call) -> ClusterReply {
            const bool meant = call.path.contains(where) && (method.empty() || call.method == method);
            return meant ? ClusterReply(answer) : std::nullopt;
        };
    };
}

kube::Answer status_answer(int code, const std::string& reason, const std::string& message)
{
    return {code,
            {},
            dump_json(Json{{"kind", "Status"}, {"code", code}, {"reason", reason}, {"message", message}})};
}

const kube::Answer k_forbidden =
    status_answer(403, "Forbidden", "secrets is forbidden: User \"v\" cannot patch resource \"secrets\"");
const kube::Answer k_broken = status_answer(500, "InternalError", "etcd is away");
constexpr auto k_a_secret = "/secrets/audio?";

// At each roll of the workload, counted from 1.
Inject at_roll(std::function<void(Stage&, int)> then)
{
    return [=](Stage& s) {
        s.world.cluster_fault = [&s, then, rolls = 0](const kube::Call& call) mutable -> ClusterReply {
            if (call.method == "PATCH" && call.path.contains("/deployments/"))
                then(s, ++rolls);
            return std::nullopt;
        };
    };
}

void crash_at_first(Stage& s, int roll)
{
    s.world.deployments.new_pods =
        roll > 1 ? "" : R"({"phase":"Running","containerStatuses":[{"name":"main","state":
        {"waiting":{"reason":"CrashLoopBackOff","message":"back-off"}}}]})";
}

void write_the_secret_too(Stage& s)
{
    s.world.cluster_fault = [&s](const kube::Call& call) -> ClusterReply {
        const std::string path = "/api/v1/namespaces/production/secrets/audio";
        if (call.method == "PATCH" && call.path.contains(k_a_secret)) {
            auto object = s.world.cluster.at(path);
            object["data"]["KEY"] = "Ym9i";
            s.world.cluster.put(path, std::move(object));
        }
        return std::nullopt;
    };
}

Inject releases_say(const char* where, ErrorKind kind)
{
    return [=](Stage& s) { s.world.releases.faults[where] = {kind, "the cluster says no"}; };
}

// Between the plan and the write another client writes the same settings.
void write_meanwhile(Stage& s)
{
    s.world.releases.before_call = [&r = s.world.releases](const std::string& call) {
        if (call != "write")
            return;
        for (const auto* path :
             {"image/main", "paused", "template", "strategy/max_surge", "resources/main/limits.memory"})
            r.set(std::string("workloads/agent/") + path, "bob's");
        r.set("autoscalers/agent", Json{{"min", 4}, {"max", 4}, {"cpu", 4}});
    };
}

const Faults& common()
{
    static const Faults faults{
        {ok, [](Stage&) {}},
        {usage, with({"--no-such-flag"})},
        {not_found, with({"-C", "nope"})},
        {interrupted, [](Stage& s) { s.interrupt(); }},
    };
    return faults;
}

Faults merged(const Faults& base, Faults more)
{
    more.insert(base.begin(), base.end());
    return more;
}

} // namespace

const Faults& agent_read_faults()
{
    static const Faults faults = merged(common(), {{failed, agents_say("*", failed)},
                                                   {auth, agents_say("*", auth)},
                                                   {unreachable, agents_say("*", unreachable)},
                                                   {unknown, agents_say("*", unknown)}});
    return faults;
}

const Faults& agent_change_faults()
{
    static const Faults faults = merged(common(), {{failed, agents_say(k_patch, failed)},
                                                   {refused, protect},
                                                   {auth, agents_say(k_patch, auth)},
                                                   {unreachable, agents_say("*", unreachable)},
                                                   {stale, meddle},
                                                   {locked, [](Stage& s) { s.hold_every_lock(); }},
                                                   {rolled_back, refuse_to_apply},
                                                   {partial, interrupt_after_writing},
                                                   {unverified, with({"--no-wait"})},
                                                   {unknown, agents_say(k_patch, unknown)}});
    return faults;
}

const Faults& workload_read_faults()
{
    static const Faults faults = merged(common(), {{failed, orchestrator_says("*", failed)},
                                                   {auth, orchestrator_says("*", auth)},
                                                   {unreachable, orchestrator_says("*", unreachable)},
                                                   {unknown, orchestrator_says("*", unknown)}});
    return faults;
}

const Faults& workload_change_faults()
{
    static const Faults faults = merged(common(), {{failed, changes_meet(failed)},
                                                   {refused, protect},
                                                   {auth, changes_meet(auth)},
                                                   {unreachable, orchestrator_says("*", unreachable)},
                                                   {stale, scale_meanwhile},
                                                   {locked, [](Stage& s) { s.hold_every_lock(); }},
                                                   {rolled_back, die_at_once},
                                                   {partial, interrupt_after_writing},
                                                   {unverified, with({"--no-wait"})},
                                                   {unknown, changes_meet(unknown)}});
    return faults;
}

const Faults& stream_read_faults()
{
    static const Faults faults = merged(common(), {{failed, streams_say("*", failed)},
                                                   {auth, streams_say("*", auth)},
                                                   {unreachable, streams_say("*", unreachable)},
                                                   {unknown, streams_say("*", unknown)}});
    return faults;
}

const Faults& stream_change_faults()
{
    static const Faults faults = merged(common(), {{failed, streams_say("exec", failed)},
                                                   {refused, protect},
                                                   {auth, streams_say("exec", auth)},
                                                   {unreachable, streams_say("*", unreachable)},
                                                   {unknown, streams_say("exec", unknown)}});
    return faults;
}

const Faults& cluster_read_faults()
{
    static const Faults faults =
        merged(common(), {{failed, cluster_says("", "", k_broken)},
                          {auth, cluster_says("", "", k_forbidden)},
                          {unreachable, cluster_says("", "", fail(unreachable, "nobody listens"))},
                          {unknown, cluster_says("", "", fail(unknown, "the connection ended"))}});
    return faults;
}

const Faults& cluster_change_faults()
{
    static const Faults faults = merged(
        common(), {{failed, cluster_says("PATCH", k_a_secret, k_broken)},
                   {refused, protect},
                   {auth, cluster_says("PATCH", k_a_secret, k_forbidden)},
                   {unreachable, cluster_says("", "", fail(unreachable, "nobody listens"))},
                   {stale, write_the_secret_too},
                   {locked, [](Stage& s) { s.hold_every_lock(); }},
                   {rolled_back, at_roll(crash_at_first)},
                   {partial, at_roll([](Stage& s, int) { s.world.app.cancel.request(); })},
                   {unverified, with({"--no-wait"})},
                   {unknown, cluster_says("PATCH", k_a_secret, fail(unknown, "the connection ended"))}});
    return faults;
}

Faults patch_faults(const std::string& where, Inject stale_by)
{
    Faults more{{failed, cluster_says("PATCH", where, k_broken)},
                {refused, protect},
                {auth, cluster_says("PATCH", where, k_forbidden)},
                {unreachable, cluster_says("", "", fail(unreachable, "nobody listens"))},
                {locked, [](Stage& s) { s.hold_every_lock(); }},
                {partial,
                 [where](Stage& s) {
                     s.world.cluster_fault = [&s, where](const kube::Call& call) -> ClusterReply {
                         if (call.method == "PATCH" && call.path.contains(where))
                             s.world.app.cancel.request();
                         return std::nullopt;
                     };
                 }},
                {unverified, with({"--no-wait"})},
                {unknown, cluster_says("PATCH", where, fail(unknown, "the connection ended"))}};
    if (stale_by)
        more[stale] = std::move(stale_by);
    return merged(common(), std::move(more));
}

const Faults& release_read_faults()
{
    static const Faults faults = merged(common(), {{failed, releases_say("*", failed)},
                                                   {refused, releases_say("*", refused)},
                                                   {auth, releases_say("*", auth)},
                                                   {unreachable, releases_say("*", unreachable)},
                                                   {unknown, releases_say("*", unknown)}});
    return faults;
}

const Faults& release_change_faults()
{
    static const Faults faults =
        merged(common(), {{failed, releases_say("write", failed)},
                          {refused, releases_say("*", refused)},
                          {auth, releases_say("write", auth)},
                          {unreachable, releases_say("*", unreachable)},
                          {stale, write_meanwhile},
                          {locked, [](Stage& s) { s.hold_every_lock(); }},
                          {rolled_back,
                           [](Stage& s) {
                               s.world.releases.broken_writes = 1;
                               s.world.releases.reverted_writes = 1;
                           }},
                          {partial,
                           [](Stage& s) {
                               s.world.releases.after_call = [&app = s.world.app](const std::string&) {
                                   app.cancel.request();
                               };
                           }},
                          {unverified, with({"--no-wait"})},
                          {unknown, releases_say("write", unknown)}});
    return faults;
}

const Faults& file_faults()
{
    static const Faults faults{{ok, [](Stage&) {}}, {usage, with({"--no-such-flag"})}};
    return faults;
}

void Stage::write(const std::string& name, std::string_view text)
{
    const auto made = make_dirs(file(name).parent_path());
    const auto written = write_file(file(name), text);
    if (!made || !written)
        throw std::runtime_error("cannot write " + name);
}

std::string Stage::newest_operation()
{
    return ops::Journal(journal(), world.app.clock).operations({.limit = 1}).value().at(0).id;
}

void Stage::cut_off(const Words& change)
{
    world.agents.keep_in(file("agents.json"));
    const int status = run_in_child([&] {
        world.crash = [] { return std::make_unique<KillAt>(std::string(ops::k_after_begin), 1); };
        return world.app.run(change).code;
    });
    if (!WIFSIGNALED(status))
        throw std::runtime_error("the change was not cut off");
}

void Stage::hold_every_lock()
{
    ops::FlockStore locks(file("state/conduitctl/locks"), world.app.clock);
    const ops::LockOwner jonas{.operator_name = "jonas", .host = "ops2", .reason = "a drill"};
    for (const auto* scope : {"providers", "pool", "cache", "limits", "blocklist", "safety", "config"})
        held.push_back(locks.acquire({"fake", scope}, jonas).value());
    held.push_back(locks.acquire({"fake-redis", "redis"}, jonas).value());
    held.push_back(locks.acquire({"s3://backups/prod", "backup/s3://backups/prod"}, jonas).value());
    for (const auto* scope : {"workload/agent", "volume/data", "certificate/web", "settings"})
        held.push_back(locks.acquire({"fake-local", scope}, jonas).value());
}

void Stage::interrupt()
{
    world.more = [this, before = world.more](App& app) {
        if (before)
            before(app);
        world.app.cancel.request();
    };
}

int Stage::run()
{
    const auto result = world.app.run(words);
    error = result.err;
    return result.code;
}

int Stage::run_as_nobody()
{
    constexpr uid_t k_nobody = 65534;
    const int status = run_in_child([&] {
        const bool root = ::geteuid() == 0; // the folder is 0700 and root's
        const bool denied = root ? ::setuid(k_nobody) == 0 : ::chmod(world.app.home().c_str(), 0) == 0;
        return denied ? run() : 99;
    });
    ::chmod(world.app.home().c_str(), 0700);
    return WEXITSTATUS(status);
}

} // namespace conduit::test
