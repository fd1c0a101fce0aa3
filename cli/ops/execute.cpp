// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/run.hpp"

#include <chrono>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops {
namespace {

Duration since(const Host& host, SteadyTime from)
{
    return std::chrono::duration_cast<Duration>(host.clock.steady() - from);
}

std::string standing(const Run& run)
{
    std::string text;
    for (const auto& step : run.plan.steps)
        if (run.done.contains(step.n))
            text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", step.resource, step.summary);
    return text;
}

Result<> do_step(Run& run, const Step& step)
{
    auto& host = run.host;
    if (host.cancel.requested())
        return fail(ErrorKind::interrupted, "interrupted");
    TRY(run.lock->still_held(run.deadline.left()));
    TRY(record_step(run, Phase::step_start, step, nullptr));
    reach(host, k_before_send);
    host.cancel.set_standing(true);
    const auto from = host.clock.steady();
    auto applied = apply_step(run, step, {run.plan.operation, step.n});
    if (!applied) {
        if (applied.error().kind == ErrorKind::partial)
            run.done[step.n] = {};
        return std::move(applied).error();
    }
    reach(host, k_replied);
    const auto& kept = run.done[step.n] = std::move(*applied);
    TRY(record_step(run, Phase::step_done, step, &kept));
    reach(host, k_recorded);
    host.progress.tick(Progress::Mark::done, step.action.empty() ? "written" : step.action, kept.observed,
                       since(host, from));
    return {};
}

Error unknown_outcome(Run& run, const Step& step, const Error& error)
{
    const auto id = run.plan.operation;
    auto message = fmt::format("it is not known whether {} was changed", step.resource);
    if (const auto stands = standing(run); !stands.empty())
        message += fmt::format("; done before: {}", stands);
    Error out{ErrorKind::unknown, message};
    out.cause = error.message;
    out.hint =
        fmt::format("Look, and finish or take it back: conduitctl resume {} or conduitctl undo {}", id, id);
    return end_with(run, std::move(out));
}

Error step_failed(Run& run, const Step& step, Error error)
{
    if (error.kind == ErrorKind::unknown)
        return unknown_outcome(run, step, std::move(error));
    if (run.done.empty())
        return end_with(run, std::move(error));
    const bool told_to_stop = error.kind == ErrorKind::interrupted || error.kind == ErrorKind::locked;
    if (run.plan.rollback && !told_to_stop && !error.details.contains("journal"))
        return roll_back(run, std::move(error));
    const auto id = run.plan.operation;
    Error out{ErrorKind::partial, fmt::format("{}; what stands: {}", error.message, standing(run))};
    out.cause = error.cause;
    out.hint = fmt::format("Finish it: conduitctl resume {}\nOr take it back: conduitctl undo {}", id, id);
    return end_with(run, std::move(out));
}

struct Seen {
    bool all = true;    // every step's effect was seen
    bool blind = false; // some cannot be seen at all
    Error error;        // of the first that was not
};

Seen verify_steps(Run& run)
{
    Seen seen;
    for (const auto& step : run.plan.steps) {
        if (!step.verifiable) {
            seen.blind = true;
            continue;
        }
        auto verified = run.target.verify(step, run.done[step.n], run.deadline, run.host.progress);
        if (!verified) {
            seen.all = false;
            seen.error = std::move(verified).error();
            return seen;
        }
    }
    return seen;
}

} // namespace

Error end_with(Run& run, Error error)
{
    auto written = record(run, Phase::end, std::string(kind_name(error.kind)), error.message);
    if (!written)
        run.host.progress.tick(Progress::Mark::note, "not recorded", written.error().message, Duration{0});
    run.host.cancel.set_standing(false);
    return std::move(error).with_detail("operation", run.plan.operation);
}

Result<Applied> apply_step(Run& run, const Step& step, const StepKey& key)
{
    const WriteContext context{key,
                               run.host.operator_name,
                               run.host.options.reason,
                               run.lock->fence(),
                               run.plan.scope,
                               run.host.options.force,
                               run.deadline,
                               [&host = run.host] { reach(host, k_sent); }};
    auto applied = run.target.apply(context, step);
    if (applied || applied.error().kind != ErrorKind::unknown || !run.target.keyed(step))
        return applied;
    // The answer was lost. The key says whether it happened; that it did not (yet) proves nothing.
    const auto found = run.target.find(key, step, run.deadline);
    if (found && *found)
        return **found;
    return applied;
}

Result<Report> execute(Run& run)
{
    for (const auto& step : run.plan.steps) {
        if (run.done.contains(step.n))
            continue;
        if (auto done = do_step(run, step); !done)
            return step_failed(run, step, std::move(done).error());
    }
    return verify_and_end(run);
}

Result<Report> verify_and_end(Run& run)
{
    auto& host = run.host;
    auto verdict = ErrorKind::ok;
    bool verified = false;
    std::string message;
    reach(host, k_verifying);
    if (host.options.no_wait) {
        verdict = ErrorKind::unverified;
        message = "applied; its effect was not waited for (--no-wait)";
    } else {
        auto seen = verify_steps(run);
        if (!seen.all && seen.error.kind == ErrorKind::interrupted) {
            Error error{ErrorKind::partial, "interrupted: it was applied, its effect was not seen"};
            error.hint = fmt::format("See whether it took effect: conduitctl resume {}\nOr take it back: "
                                     "conduitctl undo {}",
                                     run.plan.operation, run.plan.operation);
            return end_with(run, std::move(error));
        }
        if (!seen.all && seen.error.kind == ErrorKind::failed) {
            host.progress.tick(Progress::Mark::failed, "not in effect", seen.error.message, Duration{0});
            return step_failed(run, run.plan.steps.back(), std::move(seen.error));
        }
        verified = seen.all && !seen.blind;
        if (!seen.all) {
            verdict = ErrorKind::unverified;
            message = fmt::format("applied, but its effect was not seen: {}", seen.error.message);
        }
    }
    auto recorded = record(run, Phase::verify, std::string(kind_name(verdict)), message);
    reach(host, k_before_end);
    if (recorded)
        recorded = record(run, Phase::end, std::string(kind_name(verdict)), message);
    host.cancel.set_standing(false);
    reach(host, k_after_end);
    if (!recorded)
        return Error{ErrorKind::partial,
                     fmt::format("{} was done, but its end is not recorded", run.plan.summary)}
            .with_cause(recorded.error().message)
            .with_detail("operation", run.plan.operation);
    return done_report(run, verdict, verified, std::move(message));
}

} // namespace conduit::ops
