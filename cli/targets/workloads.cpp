// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/workloads.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops {
namespace {

constexpr Duration k_poll{100};
constexpr Duration k_patience{10'000};
constexpr Duration k_last_look{50}; // a look needs some of the time that is left
constexpr int k_most_replicas = 10'000;

bool is_remembered(const std::string& path)
{
    return path.ends_with("/remembered");
}

Result<std::string> workload_of_path(const std::string& path)
{
    const auto parts = split(path, '/');
    if (parts.size() == 3 && parts[0] == "workloads" && (parts[2] == "replicas" || is_remembered(path)))
        return parts[1];
    return fail(ErrorKind::internal, fmt::format("workloads have no field '{}'", path));
}

Result<int> replicas_of(const Json& value, const std::string& path)
{
    if (!value.is_number_integer() || value.get<double>() < 0 || value.get<double>() > k_most_replicas)
        return fail(ErrorKind::usage,
                    fmt::format("{} must be a whole number, not {}", path, show_value(value)));
    return value.get<int>();
}

Result<std::optional<int>> remembered_of(const Json& value, const std::string& path)
{
    if (value.is_null())
        return std::optional<int>{};
    TRY_ASSIGN(const int replicas, replicas_of(value, path));
    return std::optional(replicas);
}

Result<Workload> find_workload(const std::vector<Workload>& workloads, const std::string& name)
{
    std::vector<std::string> names;
    for (const auto& workload : workloads) {
        if (workload.name == name)
            return workload;
        names.push_back(workload.name);
    }
    return fail(ErrorKind::not_found, unknown_name("workload", name, names), "See: conduitctl ps");
}

std::vector<std::string> instances_of(const Step& step)
{
    std::vector<std::string> names;
    if (const auto* list = json_find(*step.arguments, "instances"); list != nullptr && list->is_array())
        for (const auto& item : *list)
            if (item.is_string())
                names.push_back(item.get<std::string>());
    return names;
}

Applied applied_restart(const std::string& key)
{
    return {.observed = "restart accepted", .data = Json{{"key", key}}};
}

Applied applied_scale(int replicas)
{
    return {.observed = fmt::format("{} replicas wanted", replicas), .data = Json{{"replicas", replicas}}};
}

} // namespace

WorkloadTarget::WorkloadTarget(Orchestrator& orchestrator, std::string identity, InstanceProbe probe,
                               const Cancel* cancel, Settle settle)
    : orchestrator_(orchestrator), identity_(std::move(identity)), probe_(std::move(probe)), cancel_(cancel),
      settle_(std::move(settle))
{
}

Result<> WorkloadTarget::settle(const std::string& workload, Deadline deadline, Progress& progress)
{
    if (!settle_)
        return {};
    return settle_(workload, [&](std::string_view line) { progress.waiting("rollout", line); }, deadline);
}

Result<FieldMap> WorkloadTarget::observe(std::span<const std::string> paths, Deadline deadline)
{
    FieldMap fields;
    if (paths.empty())
        return fields;
    TRY_ASSIGN(const auto workloads, orchestrator_.workloads(deadline));
    for (const auto& path : paths) {
        TRY_ASSIGN(const std::string name, workload_of_path(path));
        TRY_ASSIGN(const Workload workload, find_workload(workloads, name));
        if (is_remembered(path))
            fields[path].value = workload.remembered ? Json(*workload.remembered) : Json();
        else
            fields[path].value = Json(workload.wanted);
    }
    return fields;
}

Result<Applied> WorkloadTarget::apply(const WriteContext& context, const Step& step)
{
    return step.action == k_restart_action ? restart(context, step) : scale(context, step);
}

Result<Applied> WorkloadTarget::scale(const WriteContext& context, const Step& step)
{
    const bool remembers = step.fields.size() == 2 && is_remembered(step.fields.back().path);
    if ((step.fields.size() != 1 && !remembers) || !step.action.empty())
        return fail(ErrorKind::internal, "a step on workloads writes one field");
    const auto& field = step.fields.front();
    ScaleRequest request;
    TRY_ASSIGN(request.workload, workload_of_path(field.path));
    TRY_ASSIGN(request.replicas, replicas_of(*field.after, field.path));
    TRY_ASSIGN(request.expected, replicas_of(*field.before, field.path));
    request.key = context.key.text();
    if (remembers) {
        const auto& other = step.fields.back();
        request.remember.emplace();
        TRY_ASSIGN(request.remember->expected, remembered_of(*other.before, other.path));
        TRY_ASSIGN(request.remember->replicas, remembered_of(*other.after, other.path));
    }
    request.wait = false;
    request.on_sent = context.sent;
    TRY(orchestrator_.scale(request, {}, context.deadline));
    return applied_scale(request.replicas);
}

Result<Applied> WorkloadTarget::restart(const WriteContext& context, const Step& step)
{
    RestartRequest request;
    request.workload = json_string_or(*step.arguments, "workload", "");
    request.instances = instances_of(step);
    if (const auto* drain = json_find(*step.arguments, "drain_ms"); drain != nullptr)
        request.drain = Duration{drain->get<std::int64_t>()};
    request.key = context.key.text();
    request.wait = false;
    request.on_sent = context.sent;
    TRY(orchestrator_.restart(request, {}, context.deadline));
    return applied_restart(request.key);
}

Result<std::optional<Applied>> WorkloadTarget::find(const StepKey& key, const Step& step, Deadline deadline)
{
    TRY_ASSIGN(const auto change, orchestrator_.find_change(key.text(), deadline));
    if (!change)
        return std::optional<Applied>{};
    if (step.action == k_restart_action)
        return std::optional(applied_restart(key.text()));
    TRY_ASSIGN(const int replicas, replicas_of(*step.fields.at(0).after, step.fields.at(0).path));
    return std::optional(applied_scale(replicas));
}

Result<> WorkloadTarget::verify(const Step& step, const Applied& applied, Deadline deadline,
                                Progress& progress)
{
    if (step.action != k_restart_action)
        return verify_scaled(step, deadline, progress);
    const auto workload = json_string_or(*step.arguments, "workload", "");
    TRY(verify_restarted(workload, applied, deadline, progress));
    return probe_all(workload, deadline);
}

// What will not mend itself ends the wait at once; a place to run may still be found.
Result<> WorkloadTarget::check_problems(const std::string& workload, SteadyTime began, Deadline deadline)
{
    TRY_ASSIGN(const auto instances, orchestrator_.instances(workload, deadline));
    for (const auto& instance : instances) {
        const bool may_pass = instance.problem.starts_with("Unschedulable") &&
                              std::chrono::steady_clock::now() - began < k_patience;
        if (!instance.problem.empty() && !may_pass)
            return fail(ErrorKind::failed,
                        fmt::format("{} does not become ready: {}", instance.name, instance.problem),
                        fmt::format("See: conduitctl logs {}", instance.name));
    }
    return {};
}

Result<> WorkloadTarget::verify_scaled(const Step& step, Deadline deadline, Progress& progress)
{
    const auto& field = step.fields.at(0);
    TRY_ASSIGN(const std::string name, workload_of_path(field.path));
    TRY_ASSIGN(const int wanted, replicas_of(*field.after, field.path));
    TRY(settle(name, deadline, progress));
    const auto began = std::chrono::steady_clock::now();
    for (;;) {
        TRY_ASSIGN(const auto workloads, orchestrator_.workloads(deadline));
        TRY_ASSIGN(const Workload now, find_workload(workloads, name));
        if (settle_ && now.wanted != wanted)
            return fail(ErrorKind::failed,
                        fmt::format("{} replicas of {} are wanted again, not {}", now.wanted, name, wanted),
                        "Something else scales it too: conduitctl autoscale show");
        TRY_ASSIGN(const auto instances, orchestrator_.instances(name, deadline));
        // Stopped is what has nothing left that could write: those that drain count too.
        const bool gone = wanted > 0 || std::ranges::all_of(instances, [](const Instance& i) {
                              return i.state == InstanceState::exited;
                          });
        if (now.wanted == wanted && now.ready == wanted && now.running == wanted && gone)
            return probe_all(name, deadline);
        for (const auto& instance : instances)
            if (instance.state == InstanceState::crash_loop && instance.problem.empty())
                return fail(ErrorKind::failed, fmt::format("{} does not stay alive", instance.name),
                            fmt::format("See: conduitctl logs {}", instance.name));
        TRY(check_problems(name, began, deadline));
        progress.waiting("replicas",
                         fmt::format("{} of {} ready, {} running", now.ready, wanted, now.running));
        if (stopped())
            return fail(ErrorKind::interrupted, "interrupted");
        if (deadline.left() < k_last_look)
            return fail(ErrorKind::unverified,
                        fmt::format("{} of {} replicas of {} were ready in time", now.ready, wanted, name),
                        "Watch it: conduitctl ps");
        system_clock().sleep(std::min(k_poll, deadline.left()));
    }
}

Result<> WorkloadTarget::verify_restarted(const std::string& workload, const Applied& applied,
                                          Deadline deadline, Progress& progress)
{
    TRY_ASSIGN(const std::string key, json_string(*applied.data, "key"));
    TRY(settle(workload, deadline, progress));
    const auto began = std::chrono::steady_clock::now();
    for (;;) {
        TRY_ASSIGN(const auto change, orchestrator_.find_change(key, deadline));
        if (!change)
            return fail(ErrorKind::unverified, "the orchestrator no longer knows of the restart",
                        "See: conduitctl ps");
        if (!change->error.empty())
            return fail(ErrorKind::failed, change->error, "See: conduitctl logs");
        if (change->finished)
            return {};
        TRY(check_problems(workload, began, deadline));
        progress.waiting("restart", "rolling");
        if (stopped())
            return fail(ErrorKind::interrupted, "interrupted");
        if (deadline.passed())
            return fail(ErrorKind::unverified, "the restart was not finished in time",
                        "Watch it: conduitctl ps");
        system_clock().sleep(std::min(k_poll, deadline.left()));
    }
}

Result<> WorkloadTarget::probe_all(const std::string& workload, Deadline deadline)
{
    if (!probe_)
        return {};
    TRY_ASSIGN(const auto instances, orchestrator_.instances(workload, deadline));
    for (const auto& instance : instances) {
        if (instance.admin_url.empty() || instance.state == InstanceState::draining)
            continue;
        if (auto answered = probe_(instance, deadline); !answered)
            return Error{ErrorKind::unverified,
                         fmt::format("{} does not answer that it is ready", instance.name)}
                .with_cause(answered.error().message);
    }
    return {};
}

Result<Facts> WorkloadTarget::facts(const Plan& plan, Deadline deadline)
{
    TRY_ASSIGN(const auto workloads, orchestrator_.workloads(deadline));
    Facts facts;
    for (const auto& workload : workloads)
        facts.now.workloads.push_back({workload.name, workload.wanted, workload.ready, workload.scalable});
    facts.then = facts.now;
    for (const auto& step : plan.steps) {
        for (const auto& field : step.fields) {
            if (is_remembered(field.path))
                continue;
            TRY_ASSIGN(const std::string name, workload_of_path(field.path));
            TRY_ASSIGN(const int replicas, replicas_of(*field.after, field.path));
            for (auto& fact : facts.then.workloads) {
                if (fact.name != name)
                    continue;
                fact.healthy = std::min(replicas, fact.healthy + std::max(0, replicas - fact.replicas));
                fact.replicas = replicas;
            }
        }
    }
    return facts;
}

Intent scale_intent(WorkloadTarget& target, const std::string& workload, int replicas)
{
    Step step;
    step.resource = "workload/" + workload;
    Field field;
    field.path = fmt::format("workloads/{}/replicas", workload);
    field.after = Json(replicas);
    step.fields.push_back(std::move(field));
    step.verify = "as many replicas run, are ready and answer";
    step.undo = "scales back";
    Intent intent;
    intent.target = &target;
    intent.verb = "scale to";
    intent.scope = "workload/" + workload;
    intent.summary = fmt::format("scale {} to {}", workload, replicas);
    intent.confirm_name = workload;
    // Nobody is served by none.
    intent.tier = replicas == 0 ? Tier::severe : Tier::moderate;
    intent.steps.push_back(std::move(step));
    intent.watch = "conduitctl ps " + workload;
    return intent;
}

namespace {

Intent remembering(WorkloadTarget& target, const std::string& workload, int replicas,
                   const std::optional<int>& remembered)
{
    auto intent = scale_intent(target, workload, replicas);
    intent.steps.front().fields.push_back({.path = fmt::format("workloads/{}/remembered", workload),
                                           .after = remembered ? Json(*remembered) : Json()});
    return intent;
}

} // namespace

Intent stop_intent(WorkloadTarget& target, const Workload& workload)
{
    auto intent = remembering(target, workload.name, 0, workload.wanted);
    intent.verb = "stop";
    intent.summary = fmt::format("stop {} and remember its {} replicas", workload.name, workload.wanted);
    intent.rollback = false; // half stopped is what was asked for, more than running again is
    intent.steps.front().verify = "no instance is left, not even a draining one";
    intent.steps.front().undo = "as many as there were";
    return intent;
}

Intent start_intent(WorkloadTarget& target, const std::string& workload, int replicas)
{
    auto intent = remembering(target, workload, replicas, std::nullopt);
    intent.verb = "start";
    intent.summary = fmt::format("start {} with {} replicas", workload, replicas);
    intent.tier = Tier::moderate;
    intent.steps.front().undo = "is stopped again";
    return intent;
}

Intent restart_intent(WorkloadTarget& target, const std::string& workload,
                      const std::vector<std::string>& instances, std::optional<Duration> drain)
{
    Step step;
    step.resource = "workload/" + workload;
    step.action = k_restart_action;
    step.arguments = Json{{"workload", workload}, {"instances", instances}};
    if (drain)
        (*step.arguments)["drain_ms"] = drain->count();
    step.summary = instances.empty() ? "every instance, one after the other" : join(instances, ", ");
    if (drain)
        step.summary += fmt::format("; each drains for at most {}", human_duration(*drain));
    step.verify = "a new instance is ready and answers before each old one drains";
    step.undo = "a restart cannot be taken back";
    step.reversible = false;
    Intent intent;
    intent.target = &target;
    intent.verb = "restart";
    intent.scope = "workload/" + workload;
    intent.summary = fmt::format("restart {}", workload);
    intent.confirm_name = workload;
    intent.tier = Tier::mild;
    intent.undo = UndoKind::none;
    intent.rollback = false;
    intent.steps.push_back(std::move(step));
    intent.watch = "conduitctl ps " + workload;
    return intent;
}

} // namespace conduit::ops
