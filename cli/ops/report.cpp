// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/run.hpp"

#include "core/text.hpp"

#include <chrono>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops {
namespace {

Duration took(const Run& run)
{
    return std::chrono::duration_cast<Duration>(run.host.clock.steady() - run.started);
}

// As it was asked for; of a plan made earlier what is left of it, in whole seconds.
Duration lasts(const Host& host, WallTime until)
{
    if (host.options.revert_after && host.options.plan_in.empty())
        return *host.options.revert_after;
    return std::chrono::round<std::chrono::seconds>(until - host.clock.now());
}

std::string in_column(std::string_view what, std::string_view text)
{
    return fmt::format("  {:<19} {}\n", what, text);
}

} // namespace

std::string plan_screen(const Host& host, const Plan& plan)
{
    std::string out =
        fmt::format("Context  {}   You are  {}\n",
                    host.context_line.empty() ? host.context : host.context_line, host.operator_name);
    const auto tier = effective_tier(plan.tier, host.guards.protected_context);
    out += fmt::format("Plan     {} change{}, {}; undo: {}\n\n", plan.steps.size(),
                       plan.steps.size() == 1 ? "" : "s", tier_name(tier), undo_name(plan.undo));
    for (const auto& step : plan.steps) {
        auto text = step.summary;
        if (plan.until)
            text += fmt::format(", until {} ({})", format_time_short(*plan.until),
                                human_duration(lasts(host, *plan.until)));
        if (step.bound)
            text += fmt::format(", at most {}", *step.bound);
        out += in_column(replace_all(step.resource, "/", " "), text);
    }
    for (const auto& [what, text] : plan.lines)
        out += in_column(what, text);
    for (const auto& guard : plan.guards)
        if (!guard.passed)
            out += in_column("guard passed over", guard.message);
    return out + "\n";
}

Json report_json(const Run& run, ErrorKind verdict, bool changed, bool verified)
{
    Json out{{"operation", run.plan.operation},
             {"changed", changed},
             {"verdict", kind_name(verdict)},
             {"verified", verified},
             {"summary", run.plan.summary},
             {"undo", changed ? Json(fmt::format("conduitctl undo {}", run.plan.operation)) : Json()},
             {"changes", changes_json(run.plan)}};
    if (run.plan.undo == UndoKind::none)
        out["undo"] = nullptr;
    if (run.plan.until)
        out["until"] = format_time(*run.plan.until);
    if (!run.plan.undoes.empty())
        out["undoes"] = run.plan.undoes;
    if (run.resumed)
        out["resumed"] = true;
    Json guards = Json::array();
    for (const auto& guard : run.plan.guards)
        guards.push_back(Json{{"guard", guard.guard}, {"passed", guard.passed}});
    out["guards"] = std::move(guards);
    out["took_ms"] = took(run).count();
    return out;
}

Report already_so(const Run& run)
{
    Report report;
    auto data = report_json(run, ErrorKind::ok, false, true);
    data["operation"] = nullptr; // nothing was done, so there is nothing to look up
    report.data = std::move(data);
    report.text = fmt::format("Already so: {}.\n", run.plan.summary);
    return report;
}

Report done_report(const Run& run, ErrorKind verdict, bool verified, std::string message)
{
    Report report;
    report.verdict = verdict;
    auto data = report_json(run, verdict, true, verified);
    if (!message.empty())
        data["message"] = message;
    report.data = std::move(data);
    if (const auto& error = run.host.journal.mirror_error())
        report.notes.push_back(fmt::format("recorded here only: {}", error->message));
    const auto& id = run.plan.operation;
    if (verdict == ErrorKind::unverified) {
        report.text = fmt::format("Applied, not verified: {}.\n", message);
        report.next = {fmt::format("conduitctl resume {}", id), fmt::format("conduitctl undo {}", id)};
        report.name_field = "operation";
        return report;
    }
    report.text = fmt::format("Done in {}.", human_duration(took(run)));
    if (run.plan.undo != UndoKind::none)
        report.text += fmt::format("   Undo: conduitctl undo {}", id);
    if (!run.plan.watch.empty())
        report.text += fmt::format("   Watch: {}", run.plan.watch);
    report.text += "\n";
    report.name_field = "operation";
    return report;
}

} // namespace conduit::ops
