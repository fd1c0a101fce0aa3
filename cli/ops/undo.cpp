// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/history.hpp"
#include "cli/ops/inverse.hpp"
#include "cli/ops/run.hpp"

#include "core/ulid.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops {
namespace {

Result<bool> took_place(Run& run, const OperationRecord& record, const Step& step)
{
    const auto state = step_state(record, step.n);
    if (state != StepState::started)
        return state == StepState::done || state == StepState::compensating;
    if (!run.target.keyed(step))
        return true; // what the fields hold decides
    TRY_ASSIGN(const auto found, run.target.find({record.id, step.n}, step, run.deadline));
    return found.has_value();
}

Error moved_error(const Run& run, const OperationRecord& record, std::vector<Moved> moved)
{
    for (auto& m : moved)
        if (m.by.empty())
            if (const auto writer = run.host.journal.last_writer(m.path, record.entries.back().seq);
                writer && *writer)
                m.by = fmt::format("{}, {}", (*writer)->operator_name, (*writer)->id);
    return stale_error(fmt::format("{} is no longer what it left", record.id), moved)
        .with_hint("Nothing was changed. Look at what holds now, and set it by its own command.")
        .with_detail("undoes", record.id);
}

Result<Plan> inverse_plan(Run& run, const OperationRecord& record, const Plan& original)
{
    Plan plan = original;
    plan.operation = run.plan.operation;
    plan.verb = "undo";
    plan.summary = fmt::format("undo {}", original.summary);
    plan.tier = std::min(original.tier, Tier::moderate);
    plan.undoes = record.id;
    plan.until.reset();
    plan.by_record = false;
    plan.rollback = true;
    plan.guards.clear();
    plan.lines.clear();
    plan.steps.clear();
    TRY_ASSIGN(auto now, observe_fields(run.host, run.target, original.steps, run.deadline));
    std::vector<Moved> moved;
    for (auto step = original.steps.rbegin(); step != original.steps.rend(); ++step) {
        TRY_ASSIGN(const bool happened, took_place(run, record, *step));
        if (!happened)
            continue;
        auto inverse = inverse_of(*step, now, run.host.clock.now(), run.target.carries_expiry(*step));
        if (!inverse.impossible.empty())
            return fail(ErrorKind::refused,
                        fmt::format("{} cannot be undone: {}", record.id, inverse.impossible),
                        fmt::format("See what it did: conduitctl history show {}", record.id));
        std::ranges::move(inverse.moved, std::back_inserter(moved));
        if (!inverse.step)
            continue;
        for (const auto& field : inverse.step->fields)
            now[field.path] = {field.after, field.after_until, {}};
        if (inverse.until) { // what had an end gets it again
            plan.until = inverse.until;
            plan.by_record = true;
        }
        plan.steps.push_back(std::move(*inverse.step));
    }
    if (!moved.empty())
        return moved_error(run, record, std::move(moved));
    for (int n = 1; auto& step : plan.steps) {
        step.n = n++;
        step.undo = fmt::format("conduitctl undo {}", plan.operation);
        step.summary = fields_summary(step);
    }
    return plan;
}

void close_original(Run& run, const OperationRecord& record, const Plan& original)
{
    if (run.host.reversals != nullptr) [[maybe_unused]]
        const auto removed = run.host.reversals->remove(record.id);
    if (!needs_attention(record))
        return;
    auto entry = entry_of(run.host, original, Phase::end);
    entry.id = record.id;
    entry.verdict = "undone";
    entry.extra = Json{{"undone_by", run.plan.operation}};
    if (auto written = run.host.journal.append(std::move(entry)); !written)
        run.host.progress.tick(Progress::Mark::note, "not recorded", written.error().message, Duration{0});
}

} // namespace

// Guards and confirmation are those of the context one is in: they must be the operation's.
Result<> same_context(const Host& host, const Plan& plan, const std::string& id)
{
    if (plan.context == host.context)
        return {};
    return fail(ErrorKind::usage,
                fmt::format("operation {} is of context {}, not {}", id, plan.context, host.context),
                fmt::format("Name its context: -C {}.", plan.context));
}

Result<Report> run_undo(Host& host, TargetFinder& targets, std::string_view id)
{
    if (host.options.revert_after || !host.options.plan_in.empty())
        return fail(ErrorKind::usage, "undo takes neither --for nor --plan",
                    "Undo the undo later instead: it is an operation like any other.");
    TRY_ASSIGN(const auto record, host.journal.operation(id));
    if (!record.begun())
        return fail(ErrorKind::usage,
                    fmt::format("operation {} changed nothing ({})", record.id, record.verdict()),
                    "List what can be undone: conduitctl history ls");
    TRY_ASSIGN(const auto original, record.plan());
    TRY(same_context(host, original, record.id));
    TRY_ASSIGN(auto* target, targets.find(original.target_kind, original.target));
    Plan seed;
    seed.operation = make_ulid(host.clock.now());
    seed.context = original.context;
    seed.summary = fmt::format("undo {}", original.summary);
    Run run(host, *target, std::move(seed), Deadline(host.options.timeout));
    TRY_ASSIGN(run.plan, inverse_plan(run, record, original));
    auto report = run_plan(run);
    const bool rehearsal = host.options.dry_run || host.options.check || !host.options.plan_out.empty();
    if (report && !rehearsal)
        close_original(run, record, original);
    return report;
}

} // namespace conduit::ops
