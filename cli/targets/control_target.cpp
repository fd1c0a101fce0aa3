// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/control_target.hpp"

#include "cli/targets/control_effects.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit {
namespace {

std::optional<WallTime> time_of(const Json& item, std::string_view key)
{
    const auto text = json_string_or(item, key, "");
    const auto time = parse_time(text);
    return text.empty() || !time ? std::nullopt : std::optional(*time);
}

// "maria, 01JD3K7Q…": who wrote it and with which operation.
std::string author(const Json& item)
{
    auto by = json_string_or(item, "actor", "");
    const auto operation = json_string_or(item, "operation", "");
    return operation.empty() ? by : fmt::format("{}, {}", by, operation.substr(0, operation.find('/')));
}

ops::Applied applied_at(std::uint64_t revision)
{
    return {fmt::format("revision {}", revision), Json{{"revision", revision}}};
}

// One patch: all of it is written or nothing, whatever is killed when.
Json patch_of(const ops::WriteContext& context, const ops::Step& step, WallTime now)
{
    Json body{{"set", Json::object()},           {"unset", Json::array()},
              {"expect", Json::object()},        {"expires_each_ms", Json::object()},
              {"actor", context.operator_name},  {"reason", context.reason},
              {"operation", context.key.text()}, {"force", context.force}};
    for (const auto& field : step.fields) {
        body["expect"][field.path] = *field.before;
        if (field.after->is_null()) {
            body["unset"].push_back(field.path);
            continue;
        }
        body["set"][field.path] = *field.after;
        if (field.after_until)
            body["expires_each_ms"][field.path] =
                std::max<std::int64_t>(1, (*field.after_until - now).count());
    }
    return body;
}

// A replica at the revision may still be unable to apply it: its base configuration lacks the provider, say.
Result<> check_skipped(const Convergence& reading, const ops::Step& step)
{
    for (const auto& row : reading.rows)
        for (const auto& text : row.skipped)
            for (const auto& field : step.fields)
                if (text.starts_with(fmt::format("override {} ", field.path)))
                    return Error{ErrorKind::failed, fmt::format("{}: {}", row.replica.name, printable(text)),
                                 "Compare the replicas' configuration files: conduitctl config get"};
    return {};
}

} // namespace

std::string provider_path(std::string_view provider, std::string_view field)
{
    return fmt::format("providers/{}/{}", provider, field);
}

Result<ops::FieldMap> ControlTarget::observe(std::span<const std::string> paths, Deadline deadline)
{
    // Asked first by name, so that an unknown path is not found instead of reading as "no override".
    AgentCall known{.path = "/admin/v1/state/effective"};
    for (const auto& path : paths)
        known.query.emplace("path", path);
    TRY(agents_.ask(known, deadline));
    TRY_ASSIGN(const auto state, agents_.ask({.path = "/admin/v1/state"}, deadline));
    ops::FieldMap fields;
    for (const auto& path : paths)
        fields[path] = {};
    const auto* items = json_find(*state, "items");
    if (items == nullptr || !items->is_array())
        return fail(ErrorKind::unknown, "the agent's control state has no list of items");
    for (const auto& item : *items) {
        const auto found = fields.find(json_string_or(item, "path", ""));
        if (found == fields.end())
            continue;
        const auto* value = json_find(item, "value");
        found->second = {value != nullptr ? *value : Json(), time_of(item, "expires_at"), author(item)};
    }
    return fields;
}

Result<ops::Applied> ControlTarget::apply(const ops::WriteContext& context, const ops::Step& step)
{
    Json body = patch_of(context, step, clock_.now());
    if (context.fence != 0 && shared_lock_) {
        body["fence"] = context.fence;
        body["fence_scope"] = context.scope;
    }
    auto answer = agents_.ask({.method = "PATCH",
                               .path = "/admin/v1/state",
                               .body = std::move(body),
                               .finish = true,
                               .on_sent = context.sent},
                              context.deadline);
    if (!answer) {
        auto error = std::move(answer).error();
        if (error.details.contains("path"))
            error.details["field"] = error.details["path"];
        if (error.details.contains("actor"))
            error.details["by"] = error.details["actor"];
        return error;
    }
    TRY_ASSIGN(const double at, json_number(**answer, "revision"));
    return applied_at(static_cast<std::uint64_t>(at));
}

Result<std::optional<ops::Applied>> ControlTarget::find(const ops::StepKey& key, const ops::Step&,
                                                        Deadline deadline)
{
    TRY_ASSIGN(const auto history, agents_.ask({.path = "/admin/v1/history",
                                                .query = {{"operation", key.text()}, {"limit", "1"}}},
                                               deadline));
    const auto* items = json_find(*history, "items");
    if (items == nullptr || !items->is_array())
        return fail(ErrorKind::unknown, "the agent's history has no list of items");
    if (items->empty())
        return std::optional<ops::Applied>{};
    TRY_ASSIGN(const double revision, json_number(items->front(), "revision"));
    return std::optional(applied_at(static_cast<std::uint64_t>(revision)));
}

Result<> ControlTarget::verify(const ops::Step& step, const ops::Applied& applied, Deadline deadline,
                               ops::Progress& progress)
{
    const auto revision = static_cast<std::uint64_t>(json_number_or(*applied.data, "revision", 0));
    const auto started = clock_.steady();
    const auto took = [&] { return std::chrono::duration_cast<Duration>(clock_.steady() - started); };
    const auto reading = wait_converged(agents_, revision, deadline, clock_, cancel_);
    if (!reading.complete() && cancel_ != nullptr && cancel_->requested())
        return fail(ErrorKind::interrupted, "interrupted");
    if (!reading.complete())
        return Error{ErrorKind::unverified,
                     fmt::format("{} of {} replicas at revision {}; missing: {}", reading.agreed,
                                 reading.rows.size(), revision,
                                 reading.rows.empty() ? "nobody answered" : reading.missing()),
                     "Look again in a moment: conduitctl ps"};
    progress.tick(ops::Progress::Mark::done,
                  fmt::format("{} of {} replicas", reading.agreed, reading.rows.size()),
                  fmt::format("at revision {}", revision), took());
    TRY(check_skipped(reading, step));
    for (const auto& field : step.fields)
        TRY(see_effect(agents_, clock_, field, {deadline, quiet_, cancel_}, progress));
    return {};
}

Result<ops::Facts> ControlTarget::facts(const ops::Plan& plan, Deadline deadline)
{
    TRY_ASSIGN(const auto providers, agents_.ask({.path = "/admin/v1/providers"}, deadline));
    return provider_facts(*providers, plan);
}

} // namespace conduit
