// SPDX-License-Identifier: Apache-2.0
// `stop` and `start`: a workload out of the way and back as it was; `wait`: until one is so.
#include "cli/commands/all.hpp"
#include "cli/commands/instances.hpp"
#include "cli/commands/releases.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

namespace conduit::commands {
namespace {

constexpr Duration k_poll{300};
constexpr Duration k_wait_limit{300'000};
constexpr Duration k_young{10'000};    // an instance that began so lately may be about to end
constexpr Duration k_steady{1'500};    // and is believed once it has been ready for so long
constexpr Duration k_patience{10'000}; // a place to run may still be found

struct StopOptions {
    std::string workload = "agent";
    std::optional<int> replicas;
    ops::ChangeOptions change;
};

Result<Workload> find_workload(App& app, const std::string& name)
{
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    TRY_ASSIGN(const auto all, orchestrator->workloads(app.deadline(k_read_timeout)));
    std::vector<std::string> names;
    for (const auto& workload : all) {
        if (workload.name == name)
            return workload;
        names.push_back(workload.name);
    }
    return fail(ErrorKind::not_found, unknown_name("workload", name, names), "List them: conduitctl ps");
}

Report nothing_to_do(std::string note)
{
    Report report;
    report.data = Json{{"operation", nullptr}, {"changed", false}, {"verdict", "ok"}, {"verified", true}};
    report.notes = {std::move(note)};
    return report;
}

Result<Report> stop_run(App& app, const StopOptions& o)
{
    TRY_ASSIGN(const auto workload, find_workload(app, o.workload));
    if (!workload.scalable)
        return fail(ErrorKind::usage, fmt::format("workload {} cannot be stopped by itself", workload.name),
                    "See: conduitctl ps");
    if (!workload.remembers)
        return fail(
            ErrorKind::refused, "what runs here cannot remember how many there were",
            fmt::format("Note the number and scale: conduitctl scale to 0 --workload {}", o.workload));
    if (workload.wanted == 0 && o.change.plan_in.empty())
        return nothing_to_do(fmt::format("{} is stopped already", workload.name));
    TRY_ASSIGN(ops::WorkloadTarget * target, workload_target(app));
    TRY_ASSIGN(Operations * operations, app.operations());
    auto intent = ops::stop_intent(*target, workload);
    TRY_ASSIGN(const auto scaler, autoscaler_of(app, workload.name));
    if (scaler)
        intent.lines.emplace_back("autoscaler",
                                  fmt::format("{} pauses while none is wanted, and goes on from {} to {} "
                                              "afterwards",
                                              scaler->name, scaler->min, scaler->max));
    intent.lines.emplace_back("start again", fmt::format("conduitctl start {}", workload.name));
    return operations->change(intent, o.change);
}

// So many as there were; an autoscaler that was changed meanwhile would move it at once, so its bounds hold.
Result<int> replicas_to_start(App& app, const Workload& workload, const StopOptions& o,
                              std::vector<std::pair<std::string, std::string>>& lines)
{
    if (!o.replicas && !workload.remembered)
        return fail(ErrorKind::usage,
                    fmt::format("nobody noted how many replicas {} had before it was stopped", workload.name),
                    fmt::format("Say it: conduitctl start {} --replicas 3", workload.name));
    const int wanted = o.replicas.value_or(workload.remembered.value_or(0));
    TRY_ASSIGN(const auto scaler, autoscaler_of(app, workload.name));
    if (!scaler)
        return wanted;
    const int bounded = std::clamp(wanted, scaler->min, std::max(scaler->min, scaler->max));
    lines.emplace_back("autoscaler",
                       bounded == wanted
                           ? fmt::format("{} goes on from {} to {}", scaler->name, scaler->min, scaler->max)
                           : fmt::format("{} keeps {} to {}: {} instead of {}", scaler->name, scaler->min,
                                         scaler->max, bounded, wanted));
    return bounded;
}

Result<Report> start_run(App& app, const StopOptions& o)
{
    TRY_ASSIGN(const auto workload, find_workload(app, o.workload));
    if (workload.wanted > 0 && o.change.plan_in.empty())
        return nothing_to_do(fmt::format("{} runs: {} are wanted, {} are ready", workload.name,
                                         workload.wanted, workload.ready));
    if (!workload.remembers)
        return fail(ErrorKind::refused, "what runs here does not remember how many there were",
                    fmt::format("Say it: conduitctl scale to N --workload {}", workload.name));
    std::vector<std::pair<std::string, std::string>> lines;
    TRY_ASSIGN(const int replicas, replicas_to_start(app, workload, o, lines));
    TRY_ASSIGN(ops::WorkloadTarget * target, workload_target(app));
    TRY_ASSIGN(Operations * operations, app.operations());
    auto intent = ops::start_intent(*target, workload.name, replicas);
    intent.lines = std::move(lines);
    return operations->change(intent, o.change);
}

struct WaitOptions {
    std::string workload;
    std::string until = "ready";
};

struct Goal {
    enum class Kind { ready, gone, replicas } kind = Kind::ready;
    int replicas = 0;
};

Result<Goal> parse_goal(const std::string& text)
{
    if (text == "ready")
        return Goal{};
    if (text == "gone")
        return Goal{Goal::Kind::gone};
    constexpr std::string_view k_replicas = "replicas=";
    const std::string_view number = std::string_view(text).substr(std::min(k_replicas.size(), text.size()));
    Goal goal{Goal::Kind::replicas};
    const auto [end, ec] = std::from_chars(number.data(), number.data() + number.size(), goal.replicas);
    if (!text.starts_with(k_replicas) || ec != std::errc{} || end != number.data() + number.size() ||
        goal.replicas < 1 || goal.replicas > 10'000)
        return fail(ErrorKind::usage, fmt::format("nothing can be waited for as '{}'", printable(text)),
                    "Wait for ready, gone or replicas=5.");
    return goal;
}

struct Seen {
    std::vector<Workload> workloads; // those that are meant
    std::vector<Instance> instances;
};

struct Outcome {
    bool met = false;
    std::string line;     // "3 of 5 ready"
    std::string hopeless; // why it will not come true; "" while it may
    std::string hint;
};

Result<Seen> look(Orchestrator& orchestrator, const std::string& name, Deadline deadline)
{
    Seen seen;
    TRY_ASSIGN(seen.workloads, orchestrator.workloads(deadline));
    if (!name.empty())
        std::erase_if(seen.workloads, [&](const Workload& w) { return w.name != name; });
    if (seen.workloads.empty())
        return seen;
    TRY_ASSIGN(seen.instances, orchestrator.instances(name, deadline));
    return seen;
}

// The first instance that will not mend by itself.
const Instance* stuck(const Seen& seen, bool patient)
{
    for (const auto& i : seen.instances) {
        const bool may_pass = patient && i.problem.starts_with("Unschedulable");
        if ((!i.problem.empty() && !may_pass) || (i.problem.empty() && i.state == InstanceState::crash_loop))
            return &i;
    }
    return nullptr;
}

Outcome judge_ready(const Seen& seen, bool patient)
{
    Outcome out{.met = true};
    int wanted = 0, ready = 0;
    for (const auto& w : seen.workloads) {
        wanted += w.wanted;
        ready += std::min(w.ready, w.wanted);
        out.met = out.met && w.ready == w.wanted && w.running == w.wanted;
    }
    out.line = fmt::format("{} of {} ready", ready, wanted);
    if (wanted == 0) {
        out.met = false;
        out.hopeless = "no replica is wanted";
        out.hint = "Start it: conduitctl start " +
                   (seen.workloads.empty() ? std::string("WORKLOAD") : seen.workloads.front().name);
    }
    if (const auto* bad = out.met ? nullptr : stuck(seen, patient)) {
        out.hopeless = fmt::format("{} does not become ready: {}", bad->name,
                                   bad->problem.empty() ? "it does not stay alive" : bad->problem);
        out.hint = fmt::format("See: conduitctl logs {} --previous", bad->name);
    }
    return out;
}

Outcome judge_gone(const Seen& seen)
{
    const auto left = std::ranges::count_if(
        seen.instances, [](const Instance& i) { return i.state != InstanceState::exited; });
    Outcome out{.met = left == 0, .line = fmt::format("{} instances are left", left)};
    for (const auto& w : seen.workloads)
        if (w.wanted > 0 && !out.met) {
            out.hopeless = fmt::format("{} replicas of {} are wanted", w.wanted, w.name);
            out.hint = fmt::format("Stop it: conduitctl stop {}", w.name);
        }
    return out;
}

Result<Outcome> judge(App& app, const Goal& goal, const Seen& seen, bool patient)
{
    if (goal.kind == Goal::Kind::ready)
        return judge_ready(seen, patient);
    if (goal.kind == Goal::Kind::gone)
        return judge_gone(seen);
    auto out = judge_ready(seen, patient);
    int wanted = 0, ready = 0;
    for (const auto& w : seen.workloads) {
        wanted += w.wanted;
        ready += w.ready;
    }
    out.met = ready >= goal.replicas;
    out.line = fmt::format("{} of {} ready", ready, goal.replicas);
    if (out.met)
        out.hopeless.clear();
    if (out.met || wanted >= goal.replicas || seen.workloads.size() != 1)
        return out;
    TRY_ASSIGN(const auto scaler, autoscaler_of(app, seen.workloads.front().name));
    if (scaler && scaler->max >= goal.replicas)
        return out; // it may still ask for more
    const auto& name = seen.workloads.front().name;
    out.hopeless = fmt::format("only {} replicas of {} are wanted", wanted, name);
    out.hint = fmt::format("Ask for more: conduitctl scale to {} --workload {}", goal.replicas, name);
    return out;
}

Report outcome_report(const WaitOptions& o, const Outcome& outcome, const Seen& seen, ErrorKind verdict)
{
    Json items = Json::array();
    for (const auto& instance : seen.instances)
        items.push_back(instance_json(instance));
    auto report = list_report(std::move(items), instance_columns());
    report.verdict = verdict;
    report.data->update({{"workload", o.workload.empty() ? Json() : Json(o.workload)},
                         {"for", o.until},
                         {"met", outcome.met},
                         {"seen", outcome.line},
                         {"reason", outcome.hopeless.empty() ? Json() : Json(outcome.hopeless)}});
    report.notes = {outcome.met                ? outcome.line
                    : outcome.hopeless.empty() ? fmt::format("not seen in time: {}", outcome.line)
                                               : fmt::format("{}: {}", outcome.line, outcome.hopeless)};
    if (!outcome.met && !outcome.hint.empty())
        report.next = {outcome.hint};
    return report;
}

// One that ends at once is ready for a moment, each time it is started: what has just begun is looked at
// again.
class Belief {
  public:
    bool holds(const Seen& seen, SteadyTime now, WallTime wall)
    {
        std::map<std::string, std::uint32_t> starts;
        bool young = false;
        for (const auto& instance : seen.instances) {
            starts[instance.name] = instance.restarts;
            young = young || (instance.started_at && wall - *instance.started_at < k_young);
        }
        if (!since_ || starts != starts_) {
            since_ = now;
            starts_ = std::move(starts);
        }
        return !young || now - *since_ >= k_steady;
    }
    void lost() { since_.reset(); }

  private:
    std::optional<SteadyTime> since_;
    std::map<std::string, std::uint32_t> starts_;
};

Result<Report> wait_run(App& app, const WaitOptions& o)
{
    TRY_ASSIGN(const auto goal, parse_goal(o.until));
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    const auto deadline = app.deadline(k_wait_limit);
    const auto began = app.clock().steady();
    if (!o.workload.empty() && goal.kind != Goal::Kind::gone)
        TRY(find_workload(app, o.workload));
    Seen seen;
    Outcome last{.line = "nothing was seen"};
    Belief belief;
    for (bool first = true;; first = false) {
        auto now = look(*orchestrator, o.workload, deadline);
        // What is away for a moment is not the end of a wait.
        if (!now && (first || now.error().kind != ErrorKind::unreachable || deadline.passed()) &&
            now.error().kind != ErrorKind::not_found)
            return std::move(now).error();
        if (now) {
            seen = *std::move(now);
            TRY_ASSIGN(last, judge(app, goal, seen, app.clock().steady() - began < k_patience));
            if (!last.met)
                belief.lost();
            else if (goal.kind == Goal::Kind::gone ||
                     belief.holds(seen, app.clock().steady(), app.clock().now()))
                return outcome_report(o, last, seen, ErrorKind::ok);
            if (!last.met && !last.hopeless.empty())
                return outcome_report(o, last, seen, ErrorKind::breached);
        }
        if (app.cancel().requested())
            return fail(ErrorKind::interrupted, "interrupted");
        if (deadline.passed())
            return outcome_report(o, last, seen, ErrorKind::unverified);
        app.clock().sleep(std::min(k_poll, deadline.left() + Duration{1}));
    }
}

} // namespace

Noun stop_workload()
{
    return standalone<StopOptions>(
        Group::instances,
        {.name = "stop",
         .summary = "Run none of a workload, and remember how many ran",
         .effect = Effect::change,
         .tier = Tier::severe,
         .undo = Undo::exact,
         .text = "Done when no instance is left, not even a draining one: then nothing of it writes any "
                 "more. An autoscaler pauses meanwhile. The number is kept with the workload in the "
                 "cluster, so that anybody can start it again exactly as it was.",
         .examples = {"conduitctl stop conduit-api --confirm conduit-api --reason \"restore\"",
                      "conduitctl stop conduit-api --dry-run"},
         .omitted = {{ErrorKind::rolled_back, "what does not end stays: 10"}},
         .covers = {"E-dr-pitr-1"},
         .backends = {"orchestrator"}},
        [](Flags& f, StopOptions& o) {
            f.arg("WORKLOAD", o.workload, "Which workload").optional().complete(workload_completer());
            change_flags(f, o.change);
        },
        stop_run);
}

Noun start_workload()
{
    return standalone<StopOptions>(
        Group::instances,
        {.name = "start",
         .summary = "Run as many replicas as before the workload was stopped",
         .effect = Effect::change,
         .tier = Tier::moderate,
         .undo = Undo::exact,
         .text = "Within the bounds of an autoscaler that was changed meanwhile. Done when all are ready.",
         .examples = {"conduitctl start conduit-api --yes",
                      "conduitctl start conduit-api --replicas 3 --yes"},
         .covers = {"E-dr-pitr-3"},
         .backends = {"orchestrator"}},
        [](Flags& f, StopOptions& o) {
            f.arg("WORKLOAD", o.workload, "Which workload").optional().complete(workload_completer());
            f.opt("--replicas", o.replicas, "So many instead of the number that was remembered")
                .between(1, 1000);
            change_flags(f, o.change);
        },
        start_run);
}

Noun wait_workload()
{
    return standalone<WaitOptions>(
        Group::instances,
        {.name = "wait",
         .summary = "Wait until instances are ready, or gone",
         .text = "--for ready: as many as are wanted, and no other. --for replicas=N: at least N ready. "
                 "--for gone: none left, not even a draining one. Exit 13 at once, with the reason, when it "
                 "will not come true by itself: a crash loop, an image that cannot be pulled, fewer wanted. "
                 "Exit 11 when it was not seen within --timeout (5 minutes).",
         .examples = {"conduitctl wait conduit-audio-service --for replicas=5 --timeout 3m",
                      "conduitctl wait conduit-api --for gone"},
         .also = {ErrorKind::unverified, ErrorKind::breached},
         .covers = {"A-scale-up-2", "E-roll-dep-3"},
         .backends = {"orchestrator"}},
        [](Flags& f, WaitOptions& o) {
            f.arg("WORKLOAD", o.workload, "Only this workload's").optional().complete(workload_completer());
            f.opt("--for", o.until, "ready, gone or replicas=N").value("GOAL");
        },
        wait_run);
}

} // namespace conduit::commands
