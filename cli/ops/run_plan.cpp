// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/run.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops {
namespace {

// Refusals are history too. That they could not be written down changes nothing about them.
Error refused(Run& run, Error error)
{
    const auto verdict = std::string(kind_name(error.kind));
    if (auto written = record(run, Phase::refused, verdict, error.message); !written)
        run.host.progress.tick(Progress::Mark::note, "not recorded", written.error().message, Duration{0});
    return std::move(error).with_detail("operation", run.plan.operation);
}

Result<Report> rehearse(Run& run)
{
    auto& host = run.host;
    auto data = report_json(run, ErrorKind::ok, false, false);
    data["dry_run"] = true;
    Json answers = Json::array();
    for (const auto& step : run.plan.steps) {
        auto answer = run.target.dry_run(step, run.deadline);
        if (!answer)
            return refused(run, std::move(answer).error());
        if (*answer)
            answers.push_back(Json{{"step", step.n}, {"says", **answer}});
    }
    data["server"] = std::move(answers);
    if (host.options.check) {
        data["check"] = true;
    } else if (auto written = record(run, Phase::dry_run, "dry-run"); !written) {
        host.progress.tick(Progress::Mark::note, "not recorded", written.error().message, Duration{0});
    }
    Report report;
    report.text = plan_screen(host, run.plan) +
                  (host.options.check ? "This would be safe now.\n" : "Nothing was changed.\n");
    report.data = std::move(data);
    report.name_field = "operation";
    return report;
}

Result<Report> put_aside(Run& run)
{
    TRY(save_plan(run.plan, run.host.options.plan_out));
    if (auto written = record(run, Phase::plan, "planned"); !written)
        run.host.progress.tick(Progress::Mark::note, "not recorded", written.error().message, Duration{0});
    Report report;
    auto data = report_json(run, ErrorKind::ok, false, false);
    data["plan"] = run.host.options.plan_out;
    report.data = std::move(data);
    report.text = plan_screen(run.host, run.plan) + fmt::format("Saved to {}.\n", run.host.options.plan_out);
    report.name_field = "operation";
    return report;
}

bool all_done_already(Run& run)
{
    if (run.host.options.plan_in.empty())
        return run.plan.steps.empty();
    const auto now = observe_fields(run.host, run.target, run.plan.steps, run.deadline);
    return now && std::ranges::all_of(run.plan.steps, [&](const Step& step) {
               return step.action.empty() && std::ranges::all_of(step.fields, [&](const Field& field) {
                          const auto it = now->find(field.path);
                          return it != now->end() && is_recorded_value(*field.after, *it->second.value);
                      });
           });
}

} // namespace

Result<> add_reversal(Run& run)
{
    if (!run.plan.until || !run.plan.by_record)
        return {};
    Reversal reversal;
    reversal.operation = run.plan.operation;
    reversal.due = *run.plan.until;
    reversal.summary = run.plan.summary;
    reversal.operator_name = run.host.operator_name;
    reversal.context = run.plan.context;
    reversal.target_kind = run.plan.target_kind;
    reversal.target = run.plan.target;
    for (const auto& step : run.plan.steps)
        for (const auto& field : step.fields)
            reversal.paths.push_back(field.path);
    return run.host.reversals->add(reversal);
}

Result<> check_served(const Run& run)
{
    if (!run.plan.until || !run.plan.by_record ||
        (run.host.reversals != nullptr && run.host.reversals->answered()))
        return {};
    const auto at = format_time_short(*run.plan.until);
    return fail(ErrorKind::refused,
                fmt::format("nobody is there to take back '{}' at {}", run.plan.summary, at),
                fmt::format("Start one: conduitctl reversals serve\nOr run it without --for, and type at {}: "
                            "conduitctl undo ID (the id is printed when it is done).",
                            at));
}

void drop_reversal(const Run& run)
{
    if (run.plan.by_record && run.host.reversals != nullptr) [[maybe_unused]]
        const auto removed = run.host.reversals->remove(run.plan.operation);
}

Result<Report> run_plan(Run& run)
{
    auto& host = run.host;
    const auto& options = host.options;
    if (options.force && options.reason.empty())
        return fail(ErrorKind::usage, "--force needs --reason", "Add --reason TEXT: it is recorded.");
    if (all_done_already(run))
        return already_so(run);
    if (auto served = check_served(run); !served)
        return options.check ? served.error() : refused(run, std::move(served).error());
    if (!options.plan_in.empty())
        if (auto unmoved = check_unmoved(run, "the world changed since the plan was made"); !unmoved)
            return refused(run, std::move(unmoved).error());
    if (auto allowed = ask_guards(run); !allowed)
        return allowed.error().kind == ErrorKind::refused && !options.check ? refused(run, allowed.error())
                                                                            : allowed.error();
    if (options.dry_run || options.check)
        return rehearse(run);
    if (!options.plan_out.empty())
        return put_aside(run);
    if (auto yes = ask_operator(run); !yes)
        return yes.error().kind == ErrorKind::refused ? refused(run, yes.error()) : yes.error();
    if (host.cancel.requested())
        return fail(ErrorKind::interrupted, "interrupted; nothing was changed");
    if (auto locked = take_lock(run); !locked)
        return locked.error().kind == ErrorKind::locked ? refused(run, locked.error()) : locked.error();
    if (auto unmoved = check_unmoved(run, "the world changed since the plan was shown"); !unmoved)
        return unmoved.error().kind == ErrorKind::stale ? refused(run, unmoved.error()) : unmoved.error();
    if (auto allowed = ask_guards(run); !allowed)
        return allowed.error().kind == ErrorKind::refused ? refused(run, allowed.error()) : allowed.error();
    if (host.cancel.requested())
        return fail(ErrorKind::interrupted, "interrupted; nothing was changed");
    reach(host, k_before_begin);
    TRY(record(run, Phase::begin));
    reach(host, k_after_begin);
    if (auto kept = add_reversal(run); !kept)
        return end_with(run, std::move(kept).error());
    auto report = execute(run);
    if (!report && run.done.empty() && report.error().kind != ErrorKind::unknown)
        drop_reversal(run);
    return report;
}

Result<Report> run_change(Host& host, const Intent& intent)
{
    const Deadline deadline(host.options.timeout);
    TRY_ASSIGN(auto plan, make_plan(host, intent, deadline));
    Run run(host, *intent.target, std::move(plan), deadline);
    return run_plan(run);
}

} // namespace conduit::ops
