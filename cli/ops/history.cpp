// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/history.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops {

const Entry* step_entry(const OperationRecord& record, Phase phase, int n)
{
    const auto it = std::find_if(record.entries.rbegin(), record.entries.rend(), [&](const Entry& e) {
        return e.phase == phase && json_number_or(*e.step, "n", 0) == n;
    });
    return it == record.entries.rend() ? nullptr : &*it;
}

StepState step_state(const OperationRecord& record, int n)
{
    if (step_entry(record, Phase::compensated, n) != nullptr)
        return StepState::compensated;
    if (step_entry(record, Phase::compensate, n) != nullptr)
        return StepState::compensating;
    if (step_entry(record, Phase::step_done, n) != nullptr)
        return StepState::done;
    return step_entry(record, Phase::step_start, n) != nullptr ? StepState::started : StepState::untouched;
}

bool taking_back(const OperationRecord& record)
{
    return record.last(Phase::compensate) != nullptr;
}

bool needs_attention(const OperationRecord& record)
{
    const auto verdict = record.verdict();
    return verdict == "unfinished" || verdict == "partial" || verdict == "unknown" || verdict == "unverified";
}

std::string fields_summary(const Step& step)
{
    std::string text;
    for (const auto& field : step.fields) {
        const auto name = field.path.substr(field.path.rfind('/') + 1);
        text += fmt::format("{}{} {} → {}", text.empty() ? "" : ", ", name,
                            field.secret ? "(secret)" : show_value(*field.before),
                            field.secret ? "(secret)" : show_value(*field.after));
    }
    return text.empty() ? step.action : text;
}

} // namespace conduit::ops
