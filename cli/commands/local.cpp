// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local_stack.hpp"

#include "cli/app/operations.hpp"
#include "cli/commands/all.hpp"
#include "cli/commands/instances.hpp"
#include "cli/ops/reversal_watch.hpp"

#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

using local::LocalStack;

constexpr std::array<const char*, 3> k_providers{"openai", "google", "aws"};

struct DirOptions {
    std::string dir;
};

Flag& dir_flag(Flags& flags, std::string& dir)
{
    return flags.opt("--dir", dir, "Folder it lives in; the context's when absent").value("DIR");
}

void dir_flags(Flags& flags, DirOptions& o)
{
    dir_flag(flags, o.dir);
}

// The agent and the simulator are installed beside conduitctl.
Result<std::string> program(App& app, std::string_view name, std::string_view variable)
{
    auto path = app.env_or(variable, (fs::path(app.program_path()).parent_path() / name).string());
    std::error_code ec;
    if (!fs::exists(path, ec))
        return fail(ErrorKind::not_found, fmt::format("there is no {} at {}", name, path),
                    fmt::format("Install {} beside conduitctl, or name it in {}.", name, variable));
    return path;
}

Result<std::string> sim_control(const Json& status)
{
    auto url = json_string_or(status, "sim_control_url", "");
    if (url.empty())
        return fail(ErrorKind::unreachable, "no simulator runs here",
                    "Run `conduitctl local up` to start one.");
    return url;
}

std::string status_text(const Json& status)
{
    if (!json_bool_or(status, "running", false))
        return fmt::format("not running ({})", json_string_or(status, "dir", ""));
    std::string text =
        fmt::format("running in {}\nrouter    {}\nreplicas  {} of {} ready",
                    json_string_or(status, "dir", ""), json_string_or(status, "router_url", ""),
                    status["replicas"]["ready"].get<int>(), status["replicas"]["wanted"].get<int>());
    for (const auto& url : status["admin_urls"])
        text += fmt::format("\nadmin     {}", url.get<std::string>());
    if (status["sim_urls"].is_object())
        for (const auto& [name, url] : status["sim_urls"].items())
            text += fmt::format("\n{:<9} {}", name, url.get<std::string>());
    text += fmt::format("\napi key   {}\ntoken     {}", json_string_or(status, "api_key_file", ""),
                        json_string_or(status, "operator_token_file", ""));
    return text;
}

struct UpFlags {
    std::string dir;
    std::optional<int> replicas;
    std::optional<int> port;
    bool no_sim = false;
    std::optional<Duration> provider_latency;
};

void up_flags(Flags& flags, UpFlags& o)
{
    flags.opt("--replicas", o.replicas, "Replicas of the agent; 2 at first").between(1, 64);
    flags.opt("--port", o.port, "Port of the router; 8080 at first, 0 for any that is free")
        .between(0, 65'535);
    flags.flag("--no-sim", o.no_sim, "Without the simulator: the agents call the real providers");
    flags.opt("--provider-latency", o.provider_latency, "How long the simulated providers take to answer");
    dir_flag(flags, o.dir);
}

Result<Report> up(App& app, const UpFlags& o)
{
    TRY_ASSIGN(const fs::path dir, local_dir(app, o.dir));
    TRY(program(app, "conduit-agent", "CONDUIT_AGENT_PROGRAM"));
    if (!o.no_sim)
        TRY(program(app, "conduit-sim", "CONDUIT_SIM_PROGRAM"));
    local::UpOptions options;
    options.dir = dir;
    options.replicas = o.replicas;
    if (o.port)
        options.port = static_cast<std::uint16_t>(*o.port);
    if (o.no_sim)
        options.sim = false;
    options.timeout = app.global().timeout.value_or(15s);
    options.supervisor_argv = {app.program_path(), "local", "supervise", "--dir", dir.string()};
    options.cancel = &app.cancel();
    TRY_ASSIGN(LocalStack * stack, app.local_stack());
    TRY_ASSIGN(auto result, stack->up(options));
    if (o.provider_latency) {
        TRY_ASSIGN(const auto sim, sim_control(*result.status));
        local::SimFault fault;
        fault.latency = *o.provider_latency;
        for (const auto* name : k_providers)
            TRY(stack->set_fault(sim, name, fault, app.deadline(10s)));
    }
    Report report;
    report.data = Json{{"changed", result.changed}};
    report.data->update(*result.status);
    report.text = status_text(*result.status) + (result.changed ? "" : "\n(it was up already)");
    report.next = {"conduitctl ps", "conduitctl local sim openai --down --for 2m"};
    return report;
}

struct DownFlags {
    std::string dir;
    bool purge = false;
};

void down_flags(Flags& flags, DownFlags& o)
{
    flags.flag("--purge", o.purge, "Remove the folder's files too: keys, records, control state");
    dir_flag(flags, o.dir);
}

Result<Report> down(App& app, const DownFlags& o)
{
    TRY_ASSIGN(const fs::path dir, local_dir(app, o.dir));
    local::DownOptions options;
    options.dir = dir;
    options.purge = o.purge;
    options.timeout = app.global().timeout.value_or(60s);
    options.cancel = &app.cancel();
    TRY_ASSIGN(LocalStack * stack, app.local_stack());
    TRY_ASSIGN(const auto result, stack->down(options));
    Report report;
    report.data = Json{{"changed", result.changed}, {"purged", result.purged}, {"dir", dir.string()}};
    report.text = fmt::format("{}{}", result.changed ? "ended; no process is left" : "nothing was running",
                              result.purged ? fmt::format(", and {} was removed", dir.string()) : "");
    return report;
}

Result<Report> status(App& app, const DirOptions& o)
{
    TRY_ASSIGN(const fs::path dir, local_dir(app, o.dir));
    TRY_ASSIGN(LocalStack * stack, app.local_stack());
    TRY_ASSIGN(const Json document, stack->status(dir, app.deadline(5s), &app.cancel()));
    Report report;
    report.data = document;
    report.text = status_text(document);
    return report;
}

struct SimFlags {
    std::string dir;
    std::string provider;
    local::SimFault fault;
    bool clear = false;
    std::optional<Ratio> error_rate;
    std::optional<ByteCount> cut_after;
    std::optional<int> fail_next;
};

void sim_flags(Flags& flags, SimFlags& o)
{
    flags.arg("PROVIDER", o.provider, "openai, google or aws; all are listed when absent")
        .optional()
        .complete({.key = "sim-providers",
                   .fetch = [](App&, std::span<const std::string>) -> Result<std::vector<Candidate>> {
                       return std::vector<Candidate>{{"openai", ""}, {"google", ""}, {"aws", ""}};
                   },
                   .live = false});
    flags.flag("--down", o.fault.down, "Refuse connections");
    flags.opt("--error-rate", o.error_rate, "Answer this share of requests with an error");
    flags.opt("--latency", o.fault.latency, "Wait this long before each answer");
    flags.flag("--throttle", o.fault.throttle, "Answer as when there are too many requests");
    flags.opt("--retry-after", o.fault.retry_after, "What throttled answers say to wait");
    flags.flag("--hang", o.fault.hang, "Take requests and never answer");
    flags.opt("--status", o.fault.status, "Answer every request with this status").between(400, 599);
    flags.opt("--cut-after", o.cut_after, "Reset the connection after so many bytes of the body");
    flags.flag("--reset", o.fault.reset, "Reset the connection after the request");
    flags.opt("--fail-next", o.fail_next, "Fail the next so many requests").between(1, 1'000'000);
    flags.flag("--quota-exhausted", o.fault.quota_exhausted, "Answer as when the quota is used up");
    flags.flag("--bad-credentials", o.fault.bad_credentials, "Refuse every key");
    flags.flag("--clear", o.clear, "Lift what is set");
    flags.opt("--for", o.fault.expires, "Lift it after this time");
    dir_flag(flags, o.dir);
}

Report sim_report(const Json& items)
{
    Report report;
    Json shown = items;
    for (auto& item : shown) {
        const auto* fault = json_find(item, "fault");
        item["fault_text"] = fault == nullptr || fault->empty() ? "none" : dump_json(*fault);
    }
    report.data = Json{{"items", shown}};
    report.columns = {{.head = "PROVIDER", .field = "name"},
                      {.head = "REQUESTS",
                       .field = "requests",
                       .format = Column::Format::integer,
                       .align = Column::Align::right},
                      {.head = "FAULT", .field = "fault_text"},
                      {.head = "URL", .field = "url"}};
    return report;
}

Result<Report> sim(App& app, const SimFlags& o)
{
    auto fault = o.fault;
    if (o.error_rate)
        fault.error_rate = o.error_rate->value;
    if (o.cut_after)
        fault.cut_after_bytes = o.cut_after->value;
    if (o.fail_next)
        fault.fail_next = static_cast<std::uint64_t>(*o.fail_next);
    if (o.clear && (fault.any() || fault.expires))
        return fail(ErrorKind::usage, "--clear goes with no other fault");
    if (o.provider.empty() && (fault.any() || fault.expires || o.clear))
        return fail(ErrorKind::usage, "no provider is named",
                    "For example: conduitctl local sim openai --down");
    if (fault.expires && !fault.any())
        return fail(ErrorKind::usage, "--for needs a fault to lift",
                    "For example: conduitctl local sim openai --down --for 2m");
    TRY_ASSIGN(const fs::path dir, local_dir(app, o.dir));
    const auto deadline = app.deadline(10s);
    TRY_ASSIGN(LocalStack * stack, app.local_stack());
    TRY_ASSIGN(const Json now, stack->status(dir, deadline, &app.cancel()));
    TRY_ASSIGN(const auto sim, sim_control(now));
    TRY_ASSIGN(Json all, stack->faults(sim, deadline));
    if (o.provider.empty())
        return sim_report(all["items"]);
    const auto fault_of = [](const Json& item) { return item.value("fault", Json::object()); };
    Json before = Json::object();
    for (const auto& item : all["items"])
        if (json_string_or(item, "name", "") == o.provider)
            before = fault_of(item);
    Result<Json> item = o.clear ? stack->clear_fault(sim, o.provider, deadline)
                                : stack->set_fault(sim, o.provider, fault, deadline);
    if (!item)
        return item.error();
    auto report = sim_report(Json::array({*item}));
    (*report.data)["changed"] = fault_of(*item) != before;
    return report;
}

// The supervisor answers for the reversals of its folder. A process of its own carries them out, since
// undoing a `scale` asks this very supervisor and must not wait for it from within.
std::function<void(WallTime)> reversal_hook(App& app)
{
    return [&app, watch = ops::ReversalWatch()](WallTime now) mutable {
        const auto operations = app.operations();
        if (!operations)
            return;
        auto& store = (*operations)->reversals();
        if (watch.should_beat(now))
            (void)store.beat().has_value(); // one that is missed is seen by whoever asks for --for
        const auto reversals = store.list();
        if (reversals && watch.should_serve(*reversals, now) && app.spawn_self)
            app.spawn_self({"reversals", "serve", "--once"});
    };
}

Result<Report> supervise(App& app, const DirOptions& o)
{
    local::SuperviseRequest options;
    TRY_ASSIGN(options.dir, local_dir(app, o.dir));
    TRY_ASSIGN(options.agent_program, program(app, "conduit-agent", "CONDUIT_AGENT_PROGRAM"));
    // Absent is fine as long as no simulator is wanted; else its start fails, and says so.
    const auto simulator = program(app, "conduit-sim", "CONDUIT_SIM_PROGRAM");
    options.sim_program = simulator.value_or("conduit-sim");
    options.every_second = reversal_hook(app);
    TRY_ASSIGN(LocalStack * stack, app.local_stack());
    Report report;
    report.verdict = static_cast<ErrorKind>(stack->supervise(options));
    report.data = Json{{"dir", options.dir.string()}};
    return report;
}

Verb sim_verb()
{
    return verb<SimFlags>(
        {.name = "sim",
         .summary = "Show or set how the simulated providers misbehave",
         .effect = Effect::local,
         .text = "What is set is added to what is set already. Without a provider all are listed.",
         .examples = {"conduitctl local sim", "conduitctl local sim openai --down --for 2m",
                      "conduitctl local sim google --error-rate 30% --latency 500ms",
                      "conduitctl local sim openai --clear"}},
        sim_flags, sim);
}

} // namespace

Noun local()
{
    Noun noun{
        .name = "local", .summary = "Agents and simulated providers on this machine", .group = Group::where};
    noun.verbs.push_back(verb<UpFlags>(
        {.name = "up",
         .summary = "Start agent replicas and the provider simulator here",
         .effect = Effect::local,
         .text =
             "Plain processes of this user under one folder; no root, no other server. Keys, tokens and "
             "agent.yaml are written at first and kept afterwards. It returns when every replica is ready.",
         .examples = {"conduitctl local up", "conduitctl local up --replicas 3 --port 9000"},
         .also = {ErrorKind::refused, ErrorKind::locked, ErrorKind::partial}},
        up_flags, up));
    noun.verbs.push_back(
        verb<DownFlags>({.name = "down",
                         .summary = "End everything that local up started",
                         .effect = Effect::local,
                         .examples = {"conduitctl local down", "conduitctl local down --purge"},
                         .also = {ErrorKind::locked, ErrorKind::partial, ErrorKind::unverified},
                         .omitted = {{ErrorKind::unreachable, "nothing running is what it brings about"},
                                     {ErrorKind::unknown, "it looks until no process is left, else 11"}}},
                        down_flags, down));
    noun.verbs.push_back(
        verb<DirOptions>({.name = "status",
                          .summary = "Show what runs here, its addresses and key files",
                          .examples = {"conduitctl local status", "conduitctl local status -o json"},
                          .omitted = {{ErrorKind::unreachable, "nothing running is an answer"}}},
                         dir_flags, status));
    noun.verbs.push_back(sim_verb());
    noun.verbs.push_back(verb<DirOptions>({.name = "supervise",
                                           .summary = "Own the folder's processes; started by local up",
                                           .effect = Effect::local,
                                           .examples = {"conduitctl local supervise"},
                                           .also = {ErrorKind::locked},
                                           .hidden = true},
                                          dir_flags, supervise));
    return noun;
}

} // namespace conduit::commands
