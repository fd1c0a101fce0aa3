// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/releases.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops {
namespace {

std::string workload_of(const std::string& path)
{
    const auto parts = split(path, '/');
    return parts.size() > 1 && parts[0] == "workloads" ? parts[1] : "";
}

// Does it give the workload other pods? A paused one gets them when it goes on.
bool rolls(const Field& field)
{
    const auto parts = split(field.path, '/');
    if (parts.size() < 3 || parts[0] != "workloads")
        return false;
    return parts[2] == "image" || parts[2] == "resources" || parts[2] == "template" ||
           (parts[2] == "paused" && *field.after == false);
}

SettingsRequest request_of(const Step& step)
{
    SettingsRequest out;
    for (const auto& field : step.fields)
        out.settings.push_back({field.path, field.before, field.after});
    return out;
}

std::string argument(const Step& step, std::string_view key)
{
    return json_string_or(*step.arguments, key, "");
}

// "workload/agent: image v1 → v2 (maria, 01JD…)", for the history of the rollout.
std::string cause_of(const WriteContext& context, const Step& step)
{
    const auto why = context.reason.empty() ? step.summary : context.reason;
    return fmt::format("{} ({}, conduitctl {})", why, context.operator_name, context.key.operation);
}

Applied applied(const Step& step)
{
    return {.observed = step.action.empty() ? step.resource : step.action, .data = Json::object()};
}

} // namespace

Result<FieldMap> ReleaseTarget::observe(std::span<const std::string> paths, Deadline deadline)
{
    TRY_ASSIGN(auto values, releases_.read(paths, deadline));
    FieldMap out;
    for (auto& [path, value] : values)
        out[path].value = std::move(value);
    return out;
}

Result<Applied> ReleaseTarget::apply(const WriteContext& context, const Step& step)
{
    if (step.action == k_canary_action) {
        TRY(releases_.steer_canary(argument(step, "workload"), argument(step, "do"), context.key.text(),
                                   context.sent, context.deadline));
        return applied(step);
    }
    auto request = request_of(step);
    request.key = context.key.text();
    request.cause = cause_of(context, step);
    request.on_sent = context.sent;
    TRY(releases_.write(request, context.deadline));
    return applied(step);
}

Result<std::optional<Applied>> ReleaseTarget::find(const StepKey& key, const Step& step, Deadline deadline)
{
    if (step.action == k_canary_action) {
        TRY_ASSIGN(const bool steered, releases_.was_steered(argument(step, "workload"), argument(step, "do"),
                                                             key.text(), deadline));
        return steered ? std::optional(applied(step)) : std::nullopt;
    }
    const auto& field = step.fields.at(0);
    TRY_ASSIGN(const bool written,
               releases_.was_written(key.text(), {field.path, field.before, field.after}, deadline));
    return written ? std::optional(applied(step)) : std::nullopt;
}

Result<> ReleaseTarget::verify_fields(const Step& step, Deadline deadline)
{
    TRY_ASSIGN(const auto now, observe(paths_of(step), deadline));
    for (const auto& field : step.fields)
        if (const auto found = now.find(field.path);
            found == now.end() || !same_json(*found->second.value, *field.after))
            return fail(ErrorKind::failed,
                        fmt::format("{} is {} again", field.path,
                                    found == now.end() ? "-" : show_value(*found->second.value)),
                        "Something else writes it too: an autoscaler, or what deploys from a repository.");
    return {};
}

Result<> ReleaseTarget::verify(const Step& step, const Applied&, Deadline deadline, Progress& progress)
{
    const auto tell = [&](std::string_view line) { progress.waiting("rollout", line); };
    if (step.action == k_canary_action)
        return releases_.settle_canary(argument(step, "workload"), argument(step, "do"), tell, deadline);
    const auto rolling = std::ranges::find_if(step.fields, rolls);
    if (rolling == step.fields.end())
        return verify_fields(step, deadline);
    const auto workload = workload_of(rolling->path);
    const auto paused = fmt::format("workloads/{}/paused", workload);
    TRY_ASSIGN(const auto now, releases_.read({&paused, 1}, deadline));
    if (*now.at(paused) == true && rolling->path == paused)
        return verify_fields(step, deadline); // somebody paused it again
    if (*now.at(paused) == true)
        return fail(ErrorKind::unverified, fmt::format("{} is paused: nothing rolls out", workload),
                    fmt::format("Let it go on: conduitctl rollout resume --workload {} --yes", workload));
    TRY(releases_.settle(workload, tell, deadline));
    return verify_fields(step, deadline);
}

Result<std::optional<std::string>> ReleaseTarget::dry_run(const Step& step, Deadline deadline)
{
    if (step.fields.empty())
        return std::optional<std::string>{};
    auto request = request_of(step);
    request.key = "dry-run";
    request.dry_run = true;
    TRY(releases_.write(request, deadline));
    return std::optional<std::string>(fmt::format("the API server would accept it: {}", step.resource));
}

// An autoscaler's bound counts as the replicas that it may make.
Result<Facts> ReleaseTarget::facts(const Plan& plan, Deadline)
{
    Facts facts;
    for (const auto& step : plan.steps)
        for (const auto& field : step.fields) {
            const auto parts = split(field.path, '/');
            const bool bound = parts.size() == 3 && parts[0] == "autoscalers" && parts[2] == "max";
            if (!bound || !field.before->is_number() || !field.after->is_number())
                continue;
            const int before = field.before->get<int>(), after = field.after->get<int>();
            facts.now.workloads.push_back({parts[1], before, before, true});
            facts.then.workloads.push_back({parts[1], after, after, true});
        }
    return facts;
}

Intent release_intent(ReleaseTarget& target, ReleaseChange change)
{
    Step step;
    step.resource = "workload/" + change.workload;
    for (auto& [path, value] : change.fields)
        step.fields.push_back({.path = path, .after = std::move(value)});
    step.verify = std::move(change.verify);
    step.undo = std::move(change.undo);
    Intent intent;
    intent.target = &target;
    intent.verb = std::move(change.verb);
    intent.scope = "workload/" + change.workload;
    intent.summary = std::move(change.summary);
    intent.confirm_name = change.workload;
    intent.tier = change.tier;
    intent.rollback = change.rollback;
    intent.lines = std::move(change.lines);
    intent.steps.push_back(std::move(step));
    intent.watch = fmt::format("conduitctl rollout status --workload {}", change.workload);
    return intent;
}

Intent canary_intent(ReleaseTarget& target, const std::string& workload, const std::string& action)
{
    Step step;
    step.resource = "workload/" + workload;
    step.action = k_canary_action;
    step.arguments = Json{{"workload", workload}, {"do", action}};
    step.summary = action == "abort"  ? "all traffic back to the stable version"
                   : action == "full" ? "the remaining steps are skipped"
                                      : "goes on behind the pause";
    step.verify = "the Rollout reports it";
    step.undo = "a canary that was steered cannot be taken back; start it anew";
    step.reversible = false;
    Intent intent;
    intent.target = &target;
    intent.verb = action == "abort" ? "canary abort" : "canary promote";
    intent.scope = "workload/" + workload;
    intent.summary = fmt::format("{} the canary of {}", action == "abort" ? "abort" : "promote", workload);
    intent.confirm_name = workload;
    intent.tier = action == "abort" ? Tier::mild : Tier::moderate;
    intent.undo = UndoKind::none;
    intent.rollback = false;
    intent.steps.push_back(std::move(step));
    intent.watch = fmt::format("conduitctl canary status --workload {}", workload);
    return intent;
}

} // namespace conduit::ops
