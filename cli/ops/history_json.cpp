// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/history.hpp"

#include "core/text.hpp"

#include <nlohmann/json.hpp>

namespace conduit::ops {

Json operation_json(const OperationRecord& record)
{
    const auto& first = record.first();
    Json out{{"operation", record.id},          {"time", format_time(first.time)},
             {"operator", first.operator_name}, {"host", first.host},
             {"context", first.context},        {"command", join(first.command, " ")},
             {"verdict", record.verdict()},     {"reason", first.reason}};
    if (!first.incident.empty())
        out["incident"] = first.incident;
    if (const auto* end = record.last(Phase::end)) {
        out["ended"] = format_time(end->time);
        if (!end->message.empty())
            out["message"] = end->message;
    }
    if (const auto plan = record.plan()) {
        out["summary"] = plan->summary;
        if (!plan->undoes.empty())
            out["undoes"] = plan->undoes;
        out["changes"] = changes_json(*plan);
    }
    out["resumable"] = needs_attention(record);
    return out;
}

Json entry_json(const Entry& entry)
{
    Json out{{"seq", entry.seq},
             {"time", format_time(entry.time)},
             {"phase", phase_name(entry.phase)},
             {"operator", entry.operator_name},
             {"host", entry.host}};
    if (!entry.step->is_null())
        out["step"] = *entry.step;
    if (!entry.extra->is_null())
        out["extra"] = *entry.extra;
    if (!entry.verdict.empty())
        out["verdict"] = entry.verdict;
    if (!entry.message.empty())
        out["message"] = entry.message;
    return out;
}

Json lock_json(const LockInfo& info)
{
    const auto& o = info.owner;
    return {{"scope", info.key.scope},
            {"target", info.key.target},
            {"operator", o.operator_name},
            {"host", o.host},
            {"pid", o.pid},
            {"reason", o.reason},
            {"operation", o.operation},
            {"since", format_time(o.since)},
            {"until", format_time(o.until)}};
}

Json reversal_json(const Reversal& reversal)
{
    Json out{{"operation", reversal.operation},  {"summary", reversal.summary},
             {"due", format_time(reversal.due)}, {"operator", reversal.operator_name},
             {"context", reversal.context},      {"state", reversal.state}};
    if (!reversal.message.empty())
        out["message"] = reversal.message;
    return out;
}

} // namespace conduit::ops
