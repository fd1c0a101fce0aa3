// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/inverse.hpp"
#include "cli/ops/run.hpp"

#include <fmt/format.h>

namespace conduit::ops {
namespace {

Result<> take_back(Run& run, const Step& step)
{
    auto& host = run.host;
    TRY_ASSIGN(const auto now, observe_fields(host, run.target, {step}, run.deadline));
    auto inverse = inverse_of(step, now, host.clock.now(), run.target.carries_expiry(step));
    if (!inverse.impossible.empty())
        return fail(ErrorKind::partial, inverse.impossible);
    if (!inverse.moved.empty())
        return stale_error(fmt::format("{} was changed meanwhile", step.resource), inverse.moved);
    if (!inverse.step)
        return {};
    TRY(record_step(run, Phase::compensate, *inverse.step, nullptr));
    reach(host, k_compensating);
    TRY_ASSIGN(const auto applied, apply_step(run, *inverse.step, {run.plan.operation, step.n, true}));
    reach(host, k_compensated);
    TRY(record_step(run, Phase::compensated, *inverse.step, &applied));
    if (step.verifiable)
        TRY(run.target.verify(*inverse.step, applied, run.deadline, host.progress));
    host.progress.tick(Progress::Mark::done, "taken back",
                       fmt::format("{}, {}", step.resource, applied.observed), Duration{0});
    return {};
}

} // namespace

Result<> compensate(Run& run)
{
    run.deadline = Deadline(run.host.options.timeout); // the change may have used up its own
    for (auto step = run.plan.steps.rbegin(); step != run.plan.steps.rend(); ++step) {
        if (!run.done.contains(step->n))
            continue;
        TRY(take_back(run, *step));
        run.done.erase(step->n);
    }
    return {};
}

Error roll_back(Run& run, Error why)
{
    const auto id = run.plan.operation;
    if (auto undone = compensate(run); !undone) {
        Error out{ErrorKind::partial,
                  fmt::format("{}; it could not be taken back: {}", why.message, undone.error().message)};
        out.cause = why.cause;
        out.hint = fmt::format("See what stands: conduitctl history show {}\nThen: conduitctl resume {} or "
                               "conduitctl undo {}",
                               id, id, id);
        return end_with(run, std::move(out));
    }
    drop_reversal(run);
    Error out{ErrorKind::rolled_back, fmt::format("{}; everything was taken back", why.message)};
    out.cause = why.cause;
    out.hint = why.hint.empty() ? fmt::format("See what happened: conduitctl history show {}", id) : why.hint;
    return end_with(run, std::move(out));
}

} // namespace conduit::ops
