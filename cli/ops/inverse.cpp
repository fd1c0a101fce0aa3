// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/inverse.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops {
namespace {

bool is_digest(const Json& value)
{
    return json_bool_or(value, "secret", false) && json_find(value, "sha256") != nullptr;
}

} // namespace

Inverse inverse_of(const Step& step, const FieldMap& now, WallTime at, bool carries_expiry)
{
    Inverse inverse;
    if (!step.reversible || (step.fields.empty() && !step.action.empty())) {
        inverse.impossible = step.undo.empty() ? fmt::format("{} cannot be undone", step.resource)
                                               : fmt::format("{}: {}", step.resource, step.undo);
        return inverse;
    }
    Step back = step;
    back.fields.clear();
    back.action.clear();
    back.arguments = {};
    back.bound.reset();
    back.summary.clear();
    for (const auto& field : step.fields) {
        const auto it = now.find(field.path);
        const auto found = it == now.end() ? FieldValue{} : it->second;
        const bool expired = field.before_until && *field.before_until <= at;
        if (expired && !carries_expiry)
            continue;
        const JsonBox wanted = expired ? JsonBox() : field.before;
        auto until = expired ? std::nullopt : field.before_until;
        const bool same_end = !carries_expiry || found.until.has_value() == until.has_value();
        if (is_recorded_value(*wanted, *found.value) && same_end)
            continue;
        if (!is_recorded_value(*field.after, *found.value)) {
            const JsonBox hidden = Json("a secret");
            inverse.moved.push_back({field.path, field.secret ? hidden : field.after,
                                     field.secret ? JsonBox(Json("another one")) : found.value, found.by});
            continue;
        }
        if (is_digest(*wanted)) {
            inverse.impossible = fmt::format("{}: the earlier secret is not recorded", field.path);
            return inverse;
        }
        if (!carries_expiry && until) {
            if (!found.until) // else a record that will end it is still pending
                inverse.until = until;
            until.reset();
        }
        back.fields.push_back({field.path, found.value, wanted, found.until, until, field.secret});
    }
    if (inverse.moved.empty() && !back.fields.empty())
        inverse.step = std::move(back);
    return inverse;
}

} // namespace conduit::ops
