// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/history.hpp"
#include "cli/ops/run.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops {
namespace {

Applied recorded(const Entry& entry)
{
    const auto* data = json_find(*entry.step, "data");
    return {json_string_or(*entry.step, "observed", ""), data == nullptr ? JsonBox() : JsonBox(*data)};
}

bool holds_after(const Step& step, const FieldMap& now)
{
    return std::ranges::all_of(step.fields, [&](const Field& field) {
        const auto it = now.find(field.path);
        return it != now.end() && is_recorded_value(*field.after, *it->second.value);
    });
}

// As moved_fields, for a step that was done: its fields should be what it left.
std::vector<Moved> moved_since(const Step& step, const FieldMap& now)
{
    auto left = step;
    for (auto& field : left.fields)
        field.before = field.after;
    return moved_fields(left, now);
}

Error stale_step(const Step& step, const std::vector<Moved>& moved, const std::string& id)
{
    return stale_error(fmt::format("{} was changed since", step.resource), moved)
        .with_hint(fmt::format("See what happened: conduitctl history show {}", id))
        .with_detail("operation", id);
}

// A step whose request may or may not have arrived: look, and never guess.
Result<std::optional<Applied>> look_for(Run& run, const Step& step, const std::string& id)
{
    if (!run.target.keyed(step))
        return Error{ErrorKind::unknown,
                     fmt::format("it is not known whether {} ({}) was done, and it cannot be asked",
                                 step.resource, step.summary)}
            .with_hint(fmt::format("Look at {} itself; it is not repeated. Then: conduitctl history show {}",
                                   step.resource, id))
            .with_detail("operation", id);
    return run.target.find({id, step.n}, step, run.deadline);
}

bool has_lost_secret(const Step& step)
{
    return std::ranges::any_of(step.fields, &Field::secret);
}

struct Progressed {
    std::vector<int> found; // done, though the journal does not say so
};

Result<Progressed> find_out(Run& run, const OperationRecord& record)
{
    Progressed progressed;
    TRY_ASSIGN(auto now, observe_fields(run.host, run.target, run.plan.steps, run.deadline));
    for (const auto& step : run.plan.steps) {
        const auto state = step_state(record, step.n);
        std::optional<Applied> applied;
        if (state == StepState::done) {
            applied = recorded(*step_entry(record, Phase::step_done, step.n));
        } else if (state == StepState::started) {
            TRY_ASSIGN(applied, look_for(run, step, record.id));
            if (applied)
                progressed.found.push_back(step.n);
        }
        if (applied) {
            // A later step of the same operation may have written the field again.
            const bool overwritten = std::ranges::any_of(run.plan.steps, [&](const Step& later) {
                return later.n > step.n && std::ranges::any_of(later.fields, [&](const Field& f) {
                           return std::ranges::any_of(step.fields,
                                                      [&](const Field& g) { return f.path == g.path; });
                       });
            });
            if (!overwritten && !holds_after(step, now))
                return stale_step(step, moved_since(step, now), record.id);
            run.done[step.n] = std::move(*applied);
            continue;
        }
        if (has_lost_secret(step))
            return Error{ErrorKind::refused,
                         fmt::format("{} writes a secret, which is not recorded", step.resource)}
                .with_hint(
                    fmt::format("Take back what was done and start anew: conduitctl undo {}", record.id))
                .with_detail("operation", record.id);
        if (auto moved = moved_fields(step, now); !moved.empty())
            return stale_step(step, moved, record.id);
        for (const auto& field : step.fields)
            now[field.path] = {field.after, {}, {}};
    }
    return progressed;
}

Result<Report> go_on(Run& run, const OperationRecord& record)
{
    TRY_ASSIGN(const auto progressed, find_out(run, record));
    if (run.done.size() < run.plan.steps.size()) {
        if (run.plan.until && *run.plan.until <= run.host.clock.now())
            return fail(ErrorKind::stale,
                        fmt::format("{} was to end at {}", record.id, format_time(*run.plan.until)),
                        fmt::format("Take it back: conduitctl undo {}", record.id));
        TRY(check_served(run));
        TRY(ask_guards(run));
    }
    reach(run.host, k_before_begin);
    TRY(ops::record(run, Phase::resume));
    reach(run.host, k_after_begin);
    for (const auto& step : run.plan.steps)
        if (std::ranges::find(progressed.found, step.n) != progressed.found.end())
            TRY(record_step(run, Phase::step_done, step, &run.done[step.n]));
    if (auto kept = add_reversal(run); !kept) // it may have died before it wrote the record
        return end_with(run, std::move(kept).error());
    return execute(run);
}

Result<Report> go_back(Run& run, const OperationRecord& record)
{
    for (const auto& step : run.plan.steps) {
        const auto state = step_state(record, step.n);
        if (state == StepState::compensating)
            run.done[step.n] = {};
        else if (state == StepState::done)
            run.done[step.n] = recorded(*step_entry(record, Phase::step_done, step.n));
    }
    TRY(ops::record(run, Phase::resume));
    return roll_back(run, {ErrorKind::failed, fmt::format("{} had failed", run.plan.summary)});
}

} // namespace

Result<Report> run_resume(Host& host, TargetFinder& targets, std::string_view id)
{
    TRY_ASSIGN(auto record, host.journal.operation(id));
    if (!record.begun())
        return fail(ErrorKind::usage,
                    fmt::format("operation {} was not begun ({})", record.id, record.verdict()),
                    "Run its command again.");
    TRY_ASSIGN(auto plan, record.plan());
    TRY(same_context(host, plan, record.id));
    TRY_ASSIGN(auto* target, targets.find(plan.target_kind, plan.target));
    Run run(host, *target, std::move(plan), Deadline(host.options.timeout));
    run.resumed = true;
    const auto verdict = record.verdict();
    if (verdict == "ok" || verdict == "rolled-back" || verdict == "undone")
        return already_so(run);
    if (!needs_attention(record))
        return fail(ErrorKind::usage,
                    fmt::format("operation {} failed and nothing of it stands ({})", record.id, verdict),
                    "Run its command again.");
    if (host.options.dry_run || host.options.check) {
        Report report;
        report.data = report_json(run, ErrorKind::ok, false, false);
        report.text = plan_screen(host, run.plan);
        return report;
    }
    TRY(ask_operator(run));
    TRY(take_lock(run));
    TRY_ASSIGN(record, host.journal.operation(record.id)); // somebody may have finished it meanwhile
    if (!needs_attention(record))
        return already_so(run);
    return taking_back(record) ? go_back(run, record) : go_on(run, record);
}

} // namespace conduit::ops
