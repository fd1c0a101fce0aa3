// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/plan.hpp"

#include "core/hash.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops {
namespace {

constexpr std::size_t k_max_plan_bytes = 8U << 20U;

Json time_or_null(const std::optional<WallTime>& time)
{
    return time ? Json(format_time(*time)) : Json();
}

std::optional<WallTime> read_time(const Json& object, std::string_view key)
{
    const auto text = json_string_or(object, key, "");
    const auto time = text.empty() ? Result<WallTime>(fail(ErrorKind::usage, "")) : parse_time(text);
    return time ? std::optional(*time) : std::nullopt;
}

std::string_view type_word(const Json& value)
{
    return value.is_null() ? "nothing" : "a secret";
}

Json field_json(const Field& field, bool for_journal)
{
    const bool hide = field.secret && for_journal;
    Json out{{"path", field.path},
             {"before", hide ? salted_digest(*field.before) : *field.before},
             {"after", hide ? salted_digest(*field.after) : *field.after}};
    if (field.before_until)
        out["before_until"] = time_or_null(field.before_until);
    if (field.after_until)
        out["after_until"] = time_or_null(field.after_until);
    if (field.secret)
        out["secret"] = true;
    return out;
}

Json step_json(const Step& step, bool for_journal)
{
    Json fields = Json::array();
    for (const auto& field : step.fields)
        fields.push_back(field_json(field, for_journal));
    Json out{{"n", step.n}, {"resource", step.resource}, {"fields", std::move(fields)}};
    if (!step.action.empty()) {
        out["action"] = step.action;
        out["arguments"] = *step.arguments;
    }
    if (step.bound)
        out["bound"] = *step.bound;
    out["summary"] = step.summary;
    out["verify"] = step.verify;
    out["undo"] = step.undo;
    out["reversible"] = step.reversible;
    out["verifiable"] = step.verifiable;
    return out;
}

Json guards_json(const std::vector<GuardVerdict>& guards)
{
    Json out = Json::array();
    for (const auto& g : guards) {
        Json item{{"guard", g.guard}, {"passed", g.passed}};
        if (!g.message.empty())
            item["message"] = g.message;
        if (!g.largest.empty())
            item["largest"] = g.largest;
        out.push_back(std::move(item));
    }
    return out;
}

Result<Step> step_from_json(const Json& document)
{
    Step step;
    step.n = static_cast<int>(std::clamp(json_number_or(document, "n", 0), 0.0, 1e6));
    TRY_ASSIGN(step.resource, json_string(document, "resource"));
    const auto* fields = json_find(document, "fields");
    if (step.n < 1 || fields == nullptr || !fields->is_array())
        return fail(ErrorKind::usage, "a step of the plan has no number or no fields");
    for (const auto& item : *fields) {
        Field field;
        TRY_ASSIGN(field.path, json_string(item, "path"));
        const auto* before = json_find(item, "before");
        const auto* after = json_find(item, "after");
        if (before == nullptr || after == nullptr)
            return fail(ErrorKind::usage,
                        fmt::format("field {} of the plan lacks before or after", field.path));
        field.before = *before;
        field.after = *after;
        field.before_until = read_time(item, "before_until");
        field.after_until = read_time(item, "after_until");
        field.secret = json_bool_or(item, "secret", false);
        step.fields.push_back(std::move(field));
    }
    step.action = json_string_or(document, "action", "");
    if (const auto* arguments = json_find(document, "arguments"))
        step.arguments = *arguments;
    if (const auto* bound = json_find(document, "bound"); bound != nullptr && bound->is_number_integer())
        step.bound = bound->get<std::int64_t>();
    step.summary = json_string_or(document, "summary", "");
    step.verify = json_string_or(document, "verify", "");
    step.undo = json_string_or(document, "undo", "");
    step.reversible = json_bool_or(document, "reversible", true);
    step.verifiable = json_bool_or(document, "verifiable", true);
    return step;
}

} // namespace

std::string_view tier_name(Tier tier)
{
    switch (tier) {
    case Tier::mild:
        return "mild";
    case Tier::moderate:
        return "moderate";
    case Tier::severe:
        break;
    }
    return "severe";
}

std::string_view undo_name(UndoKind undo)
{
    switch (undo) {
    case UndoKind::exact:
        return "exact";
    case UndoKind::backup:
        return "backup";
    case UndoKind::none:
        break;
    }
    return "none";
}

Json salted_digest(const Json& value)
{
    if (value.is_null())
        return {};
    const auto salt = random_token(16);
    return {{"secret", true}, {"salt", salt}, {"sha256", sha256_hex(salt + canonical_json(value))}};
}

bool matches_digest(const Json& digest, const Json& value)
{
    return json_bool_or(digest, "secret", false) &&
           json_string_or(digest, "sha256", "") ==
               sha256_hex(json_string_or(digest, "salt", "") + canonical_json(value));
}

bool is_recorded_value(const Json& recorded, const Json& value)
{
    return same_json(recorded, value) || matches_digest(recorded, value);
}

Json plan_json(const Plan& plan, bool for_journal)
{
    Json steps = Json::array();
    for (const auto& step : plan.steps)
        steps.push_back(step_json(step, for_journal));
    Json lines = Json::array();
    for (const auto& [what, text] : plan.lines)
        lines.push_back(Json::array({what, text}));
    Json out{{"v", 1},
             {"operation", plan.operation},
             {"context", plan.context},
             {"target_kind", plan.target_kind},
             {"target", plan.target},
             {"scope", plan.scope},
             {"verb", plan.verb},
             {"summary", plan.summary},
             {"confirm_name", plan.confirm_name},
             {"tier", tier_name(plan.tier)},
             {"undo", undo_name(plan.undo)},
             {"rollback", plan.rollback},
             {"steps", std::move(steps)},
             {"guards", guards_json(plan.guards)},
             {"lines", std::move(lines)},
             {"watch", plan.watch}};
    if (plan.until) {
        out["until"] = time_or_null(plan.until);
        out["by_record"] = plan.by_record;
    }
    if (!plan.undoes.empty())
        out["undoes"] = plan.undoes;
    return out;
}

Result<Plan> plan_from_json(const Json& document)
{
    if (json_number_or(document, "v", 0) != 1)
        return fail(ErrorKind::usage, "not a plan of this version");
    Plan plan;
    TRY_ASSIGN(plan.operation, json_string(document, "operation"));
    TRY_ASSIGN(plan.target_kind, json_string(document, "target_kind"));
    TRY_ASSIGN(plan.target, json_string(document, "target"));
    TRY_ASSIGN(plan.scope, json_string(document, "scope"));
    TRY_ASSIGN(plan.verb, json_string(document, "verb"));
    plan.context = json_string_or(document, "context", "");
    plan.summary = json_string_or(document, "summary", "");
    plan.confirm_name = json_string_or(document, "confirm_name", "");
    const auto tier = json_string_or(document, "tier", "");
    plan.tier = tier == "mild" ? Tier::mild : tier == "moderate" ? Tier::moderate : Tier::severe;
    const auto undo = json_string_or(document, "undo", "");
    plan.undo = undo == "exact" ? UndoKind::exact : undo == "backup" ? UndoKind::backup : UndoKind::none;
    plan.rollback = json_bool_or(document, "rollback", false);
    plan.until = read_time(document, "until");
    plan.by_record = json_bool_or(document, "by_record", false);
    plan.undoes = json_string_or(document, "undoes", "");
    plan.watch = json_string_or(document, "watch", "");
    const auto* steps = json_find(document, "steps");
    if (steps == nullptr || !steps->is_array())
        return fail(ErrorKind::usage, "the plan has no steps");
    for (const auto& item : *steps) {
        TRY_ASSIGN(auto step, step_from_json(item));
        plan.steps.push_back(std::move(step));
    }
    if (const auto* lines = json_find(document, "lines"); lines != nullptr && lines->is_array())
        for (const auto& line : *lines)
            if (line.is_array() && line.size() == 2 && line[0].is_string() && line[1].is_string())
                plan.lines.emplace_back(line[0].get<std::string>(), line[1].get<std::string>());
    return plan;
}

Result<> save_plan(const Plan& plan, const fs::path& path)
{
    for (const auto& step : plan.steps)
        if (std::ranges::any_of(step.fields, &Field::secret))
            return fail(ErrorKind::refused,
                        fmt::format("the plan for {} holds a secret and is not saved", plan.summary),
                        "Run the command without --plan-out.");
    return write_file(path, dump_json(plan_json(plan, false), 2) + "\n");
}

Result<Plan> load_plan(const fs::path& path)
{
    TRY_ASSIGN(const auto text, read_file(path, k_max_plan_bytes));
    const auto bad = [&](Error error) {
        error.kind = ErrorKind::usage;
        return std::move(error)
            .prefixed(fmt::format("plan file {}", path.string()))
            .with_hint("Make a new one with --plan-out FILE.");
    };
    auto document = parse_json(text);
    if (!document)
        return bad(document.error());
    auto plan = plan_from_json(*document);
    if (!plan)
        return bad(plan.error());
    return plan;
}

Json changes_json(const Plan& plan)
{
    Json out = Json::array();
    for (const auto& step : plan.steps) {
        Json before = Json::object();
        Json after = Json::object();
        for (const auto& field : step.fields) {
            before[field.path] = field.secret ? Json(type_word(*field.before)) : *field.before;
            after[field.path] = field.secret ? Json(type_word(*field.after)) : *field.after;
        }
        Json item{{"resource", step.resource}, {"before", std::move(before)}, {"after", std::move(after)}};
        if (!step.action.empty())
            item["action"] = step.action;
        item["summary"] = step.summary;
        out.push_back(std::move(item));
    }
    return out;
}

std::vector<Moved> moved_fields(const Step& step, const FieldMap& now)
{
    std::vector<Moved> moved;
    for (const auto& field : step.fields) {
        const auto it = now.find(field.path);
        const auto found = it == now.end() ? FieldValue{} : it->second;
        if (!is_recorded_value(*field.before, *found.value))
            moved.push_back({field.path,
                             field.secret ? JsonBox(Json(type_word(*field.before))) : field.before,
                             field.secret ? JsonBox(Json(type_word(*found.value))) : found.value, found.by});
    }
    return moved;
}

Error stale_error(std::string_view what, const std::vector<Moved>& moved)
{
    std::string said;
    for (const auto& m : moved) {
        said += fmt::format("{}{} is {}, not {}", said.empty() ? "" : "; ", m.path, show_value(*m.found),
                            show_value(*m.planned));
        if (!m.by.empty())
            said += fmt::format(" (changed by {})", m.by);
    }
    Error error{ErrorKind::stale, fmt::format("{}: {}", what, said)};
    if (!moved.empty()) {
        error.details["field"] = moved.front().path;
        if (!moved.front().by.empty())
            error.details["by"] = moved.front().by;
    }
    return error;
}

} // namespace conduit::ops
