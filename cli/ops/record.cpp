// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/run.hpp"

#include <nlohmann/json.hpp>

namespace conduit::ops {

void reach(Host& host, std::string_view crash_point)
{
    if (host.crash != nullptr)
        host.crash->reach(crash_point);
}

Entry entry_of(const Host& host, const Plan& plan, Phase phase)
{
    Entry entry;
    entry.id = plan.operation;
    entry.phase = phase;
    entry.operator_name = host.operator_name;
    entry.host = host.host_name;
    entry.context = plan.context;
    entry.command = host.command;
    entry.reason = host.options.reason;
    entry.incident = host.options.incident;
    return entry;
}

Result<Entry> record(Run& run, Phase phase, std::string verdict, std::string message)
{
    auto entry = entry_of(run.host, run.plan, phase);
    entry.verdict = std::move(verdict);
    entry.message = std::move(message);
    if (phase == Phase::begin || phase == Phase::plan || phase == Phase::dry_run || phase == Phase::refused)
        entry.plan = plan_json(run.plan, true);
    if (run.host.options.force)
        entry.extra = Json{{"forced", true}};
    auto written = run.host.journal.append(std::move(entry));
    if (!written)
        return std::move(written).error().with_detail("journal", "unwritable");
    return written;
}

Result<Entry> record_step(Run& run, Phase phase, const Step& step, const Applied* applied)
{
    Json before = Json::object();
    Json after = Json::object();
    for (const auto& field : step.fields) {
        before[field.path] = field.secret ? salted_digest(*field.before) : *field.before;
        after[field.path] = field.secret ? salted_digest(*field.after) : *field.after;
    }
    Json body{{"n", step.n}, {"resource", step.resource}, {"before", before}, {"after", after}};
    if (!step.action.empty())
        body["action"] = step.action;
    if (applied != nullptr) {
        body["observed"] = applied->observed;
        body["data"] = *applied->data;
    }
    auto entry = entry_of(run.host, run.plan, phase);
    entry.step = std::move(body);
    entry.verdict = applied != nullptr ? "ok" : "";
    auto written = run.host.journal.append(std::move(entry));
    if (!written)
        return std::move(written).error().with_detail("journal", "unwritable");
    return written;
}

} // namespace conduit::ops
