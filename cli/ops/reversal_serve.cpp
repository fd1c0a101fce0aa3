// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/engine.hpp"
#include "cli/ops/reversal.hpp"

#include <fmt/format.h>

namespace conduit::ops {
namespace {

// Carried out in the name of whoever asked for it, and without questions: that was confirmed with the change.
ReversalOutcome carry_out(const Host& host, ReversalStore& store, TargetFinder& targets, const Reversal& due)
{
    Host as = host;
    as.options = {};
    as.options.reason = "its time is over (--for)";
    as.operator_name = fmt::format("reversal of {}", due.operator_name);
    as.context = due.context;
    as.confirmed_by = "--for";
    as.command = {"reversals", "serve"};
    as.reversals = &store;
    auto report = run_undo(as, targets, due.operation);
    const auto kind = report ? report->verdict : report.error().kind;
    ReversalOutcome outcome{due.operation, kind, report ? "" : report.error().message};
    auto kept = due;
    kept.message = outcome.message;
    Result<> stored;
    if (kind == ErrorKind::ok || kind == ErrorKind::unverified) {
        stored = store.remove(due.operation);
    } else {
        if (kind == ErrorKind::stale)
            kept.state = "stale";
        stored = store.add(kept); // anything else is tried again
    }
    if (!stored && outcome.message.empty())
        outcome.message = stored.error().message;
    return outcome;
}

} // namespace

Result<Served> serve_reversals_once(Host& host, ReversalStore& store, TargetFinder& targets)
{
    TRY(store.beat());
    TRY_ASSIGN(const auto pending, store.list());
    Served served;
    for (const auto& reversal : pending) {
        if (reversal.state != "pending")
            continue;
        if (reversal.due > host.clock.now()) {
            if (!served.next)
                served.next = reversal.due;
            continue;
        }
        served.outcomes.push_back(carry_out(host, store, targets, reversal));
    }
    return served;
}

} // namespace conduit::ops
