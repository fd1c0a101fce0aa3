// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/history.hpp"
#include "cli/ops/run.hpp"

#include "core/ulid.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>
#include <unistd.h>

namespace conduit::ops {
namespace {

// Fills in what is there now and leaves out what already is so. Later steps see what earlier ones write.
void fill_before(Step& step, FieldMap& state, bool expiring)
{
    std::vector<Field> kept;
    for (auto& field : step.fields) {
        auto& found = state[field.path];
        field.before = found.value;
        field.before_until = found.until;
        const bool other_end = expiring && (field.before_until || field.after_until);
        if (same_json(*field.before, *field.after) && !other_end)
            continue;
        found = {field.after, field.after_until, {}};
        kept.push_back(std::move(field));
    }
    step.fields = std::move(kept);
}

Result<> set_until(Host& host, const Intent& intent, Plan& plan)
{
    if (!host.options.revert_after)
        return {};
    if (*host.options.revert_after <= Duration{0})
        return fail(ErrorKind::usage, "--for needs a time that is more than nothing",
                    "Write it as --for 2h.");
    plan.until = host.clock.now() + *host.options.revert_after;
    for (auto& step : plan.steps) {
        if (step.fields.empty() || !step.reversible)
            return fail(ErrorKind::refused, fmt::format("{} cannot be taken back by itself", plan.summary),
                        "Leave out --for.");
        if (intent.target->carries_expiry(step)) {
            for (auto& field : step.fields)
                field.after_until = plan.until;
        } else {
            plan.by_record = true;
        }
    }
    return {};
}

bool same_wish(const Plan& plan, const Intent& intent)
{
    std::set<std::pair<std::string, std::string>> wanted;
    for (const auto& step : intent.steps)
        for (const auto& field : step.fields)
            wanted.emplace(field.path, canonical_json(*field.after));
    const bool fields = std::ranges::all_of(plan.steps, [&](const Step& step) {
        return std::ranges::all_of(step.fields, [&](const Field& field) {
            return wanted.contains({field.path, canonical_json(*field.after)});
        });
    });
    return fields && plan.verb == intent.verb && plan.scope == intent.scope;
}

Result<Plan> saved_plan(Host& host, const Intent& intent)
{
    TRY_ASSIGN(auto plan, load_plan(host.options.plan_in));
    if (plan.context != host.context || plan.target != intent.target->identity())
        return fail(ErrorKind::usage,
                    fmt::format("plan file {} is for context {} ({})", host.options.plan_in, plan.context,
                                plan.target),
                    fmt::format("Run it there: -C {}.", plan.context));
    if (!same_wish(plan, intent))
        return fail(
            ErrorKind::usage,
            fmt::format("plan file {} is for '{}', not for this command", host.options.plan_in, plan.summary),
            "Give the command line the plan was made with.");
    if (plan.until && *plan.until <= host.clock.now())
        return fail(
            ErrorKind::stale,
            fmt::format("plan file {} was to end at {}", host.options.plan_in, format_time(*plan.until)),
            "Make a new one with --plan-out FILE.");
    plan.operation = make_ulid(host.clock.now()); // its keys must not be taken for those of an earlier run
    return plan;
}

// Of a change that keeps nobody out: any number of commands run in one instance.
class NoLock final : public Lock {
  public:
    Result<> still_held(Duration /*needed*/) override { return {}; }
    std::uint64_t fence() const override { return 0; }
};

} // namespace

Result<FieldMap> observe_fields(Host& host, Target& target, const std::vector<Step>& steps, Deadline deadline)
{
    std::set<std::string> paths;
    for (const auto& step : steps)
        for (const auto& field : step.fields)
            paths.insert(field.path);
    if (paths.empty())
        return FieldMap{};
    const std::vector<std::string> list(paths.begin(), paths.end());
    TRY_ASSIGN(auto found, target.observe(list, deadline));
    for (const auto& path : list)
        found.try_emplace(path);
    if (host.reversals == nullptr)
        return found;
    if (const auto pending = host.reversals->list())
        for (const auto& reversal : *pending)
            if (reversal.state == "pending" && reversal.target == target.identity())
                for (const auto& path : reversal.paths)
                    if (const auto it = found.find(path); it != found.end() && !it->second.until)
                        it->second.until = reversal.due;
    return found;
}

Result<Plan> make_plan(Host& host, const Intent& intent, Deadline deadline)
{
    if (!host.options.plan_in.empty())
        return saved_plan(host, intent);
    Plan plan;
    plan.operation = make_ulid(host.clock.now());
    plan.context = host.context;
    plan.target_kind = intent.target->kind();
    plan.target = intent.target->identity();
    plan.scope = intent.scope;
    plan.verb = intent.verb;
    plan.summary = intent.summary;
    plan.confirm_name = intent.confirm_name;
    plan.tier = intent.tier;
    plan.undo = intent.undo;
    plan.rollback = intent.rollback;
    plan.steps = intent.steps;
    plan.lines = intent.lines;
    plan.watch = intent.watch;
    TRY_ASSIGN(auto state, observe_fields(host, *intent.target, plan.steps, deadline));
    TRY(set_until(host, intent, plan));
    for (auto& step : plan.steps)
        fill_before(step, state, intent.target->carries_expiry(step));
    std::erase_if(plan.steps, [](const Step& step) { return step.fields.empty() && step.action.empty(); });
    for (int n = 1; auto& step : plan.steps) {
        step.n = n++;
        if (step.summary.empty())
            step.summary = fields_summary(step);
    }
    return plan;
}

Result<> check_unmoved(Run& run, std::string_view what)
{
    TRY_ASSIGN(const auto now, observe_fields(run.host, run.target, run.plan.steps, run.deadline));
    std::set<std::string> written;
    std::vector<Moved> moved;
    for (const auto& step : run.plan.steps) {
        for (auto& m : moved_fields(step, now))
            if (!written.contains(m.path))
                moved.push_back(std::move(m));
        for (const auto& field : step.fields)
            written.insert(field.path);
    }
    if (moved.empty())
        return {};
    return stale_error(what, moved).with_hint("Nothing was changed. Look again, and repeat the command.");
}

Result<> ask_guards(Run& run)
{
    auto& host = run.host;
    TRY_ASSIGN(auto facts, run.target.facts(run.plan, run.deadline));
    if (const auto held = host.locks.list())
        for (const auto& info : *held)
            if (info.key.target == run.plan.target && info.owner.operation != run.plan.operation)
                ++facts.running;
    run.plan.guards = evaluate_guards(host.guards, run.plan, facts, host.clock.now());
    auto refusal = guard_refusal(run.plan.guards);
    if (!refusal || host.options.force)
        return {};
    return std::move(*refusal).with_detail("operation", run.plan.operation);
}

Result<> ask_operator(Run& run)
{
    auto& host = run.host;
    ConfirmInput input{run.plan.tier,
                       run.plan.confirm_name,
                       host.guards.protected_context,
                       host.prompt.interactive(),
                       host.explicit_context,
                       host.context};
    if (!host.confirmed_by.empty())
        return {};
    if (effective_tier(input.tier, input.protected_context) != Tier::mild)
        host.progress.show(plan_screen(host, run.plan));
    return confirm(input, host.options, host.prompt);
}

Result<> take_lock(Run& run)
{
    auto& host = run.host;
    if (run.plan.scope.empty()) {
        run.lock = std::make_unique<NoLock>();
        return {};
    }
    const auto now = host.clock.now();
    TRY_ASSIGN(run.lock,
               host.locks.acquire({run.plan.target, run.plan.scope},
                                  {host.operator_name, host.host_name, ::getpid(),
                                   host.options.reason.empty() ? run.plan.summary : host.options.reason,
                                   run.plan.operation, now, now + host.options.timeout}));
    return {};
}

} // namespace conduit::ops
