// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/postgres.hpp"

#include "cli/database/archive.hpp"
#include "cli/database/settings.hpp"
#include "cli/targets/postgres_actions.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops {
namespace pg {
namespace {

constexpr Duration k_poll{50};

} // namespace

Result<> wait_until(const Server& server, Deadline deadline,
                    const std::function<Result<bool>(std::string& line)>& look)
{
    while (true) {
        std::string line;
        TRY_ASSIGN(const bool met, look(line));
        if (met)
            return {};
        if (server.cancel != nullptr && server.cancel->requested())
            return fail(ErrorKind::interrupted, "interrupted");
        if (deadline.left() <= k_poll)
            return fail(ErrorKind::unverified, line);
        server.clock.sleep(k_poll);
    }
}

Error stopped_after(Error error, std::int64_t done, std::string_view what)
{
    if (done == 0 || error.kind == ErrorKind::partial)
        return error;
    error.message = fmt::format("{}; {} {} done before", error.message, done, what);
    error.kind = ErrorKind::partial;
    return error;
}

Result<JsonBox> setting_field(const Server& server, const std::string& name, Deadline deadline)
{
    TRY_ASSIGN(const auto setting, sql::read_setting(server.database, name, deadline));
    return JsonBox(setting.written ? Json(*setting.written) : Json());
}

Result<Applied> write_setting_field(const Server& server, const WriteContext& context,
                                    const std::string& name, const Field& field)
{
    TRY_ASSIGN(const auto setting, sql::read_setting(server.database, name, context.deadline));
    const auto now = setting.written ? Json(*setting.written) : Json();
    if (!same_json(now, *field.after)) {
        if (!same_json(now, *field.before))
            return fail(ErrorKind::stale, fmt::format("{} is {} in postgresql.auto.conf by now, and not {}",
                                                      name, show_value(now), show_value(*field.before)));
        SqlValue value;
        if (field.after->is_string())
            value = field.after->get<std::string>();
        TRY(sql::write_setting(server.database, setting, value, context.sent, context.deadline));
    }
    return Applied{.observed = fmt::format("{} = {}", name, show_value(*field.after)), .data = {}};
}

Result<> verify_setting(const Server& server, const std::string& name, const Json& after, Deadline deadline)
{
    const auto limit = deadline.sooner(10s); // the server reads its files at once
    return wait_until(server, limit, [&](std::string& line) -> Result<bool> {
        TRY_ASSIGN(const auto setting, sql::read_setting(server.database, name, limit));
        const auto written = setting.written ? Json(*setting.written) : Json();
        if (!same_json(written, after))
            return fail(ErrorKind::unverified, fmt::format("{} is {} by now", name, show_value(written)));
        if (after.is_null())
            return !setting.of_our_file || setting.pending_restart;
        if (setting.pending_restart)
            return true;
        if (!setting.error.empty() && !setting.needs_restart())
            return fail(ErrorKind::failed, fmt::format("the server cannot use {}: {}", name, setting.error));
        if (setting.of_our_file || (setting.needs_restart() && setting.applied))
            return true;
        line = fmt::format("{} is written, but its value in force comes from: {}", name, setting.source);
        return false;
    });
}

} // namespace pg

namespace {

struct Path {
    std::string setting; // or
    pg::IndexName index;
};

Result<Path> parse_path(const std::string& path)
{
    const auto parts = split(path, '/');
    if (parts.size() == 2 && parts[0] == "settings" && !parts[1].empty())
        return Path{parts[1], {}};
    if (parts.size() == 3 && parts[0] == "indexes") {
        Path out;
        TRY_ASSIGN(out.index.schema, percent_decode(parts[1]));
        TRY_ASSIGN(out.index.name, percent_decode(parts[2]));
        return out;
    }
    return fail(ErrorKind::usage, fmt::format("a PostgreSQL has no field '{}'", printable(path)));
}

Result<const pg::Action*> action_of(const Step& step)
{
    static constexpr std::array k_actions{&pg::k_end_sessions, &pg::k_vacuum, &pg::k_reindex,
                                          &pg::k_drop_invalid, &pg::k_archive};
    const auto found = std::ranges::find(k_actions, step.action, [](const pg::Action* a) { return a->name; });
    if (found == k_actions.end())
        return fail(ErrorKind::usage, fmt::format("a PostgreSQL has no action '{}'", printable(step.action)));
    return *found;
}

Result<const Field*> only_field(const Step& step)
{
    if (step.fields.size() != 1)
        return fail(ErrorKind::usage, "a step on a PostgreSQL writes one field");
    return &step.fields.front();
}

} // namespace

std::string index_path(const std::string& schema, const std::string& name)
{
    return fmt::format("indexes/{}/{}", percent_encode(schema), percent_encode(name));
}

Result<JsonBox> PostgresTarget::field(const std::string& path, Deadline deadline)
{
    TRY_ASSIGN(const auto at, parse_path(path));
    const pg::Server server{database_, clock_, cancel_};
    return at.setting.empty() ? pg::index_field(server, at.index, deadline)
                              : pg::setting_field(server, at.setting, deadline);
}

Result<FieldMap> PostgresTarget::observe(std::span<const std::string> paths, Deadline deadline)
{
    FieldMap out;
    for (const auto& path : paths) {
        TRY_ASSIGN(out[path].value, field(path, deadline));
    }
    return out;
}

Result<Applied> PostgresTarget::apply(const WriteContext& context, const Step& step)
{
    const pg::Server server{database_, clock_, cancel_};
    if (!step.action.empty()) {
        TRY_ASSIGN(const auto* action, action_of(step));
        return action->apply(server, context, step);
    }
    TRY_ASSIGN(const auto* field, only_field(step));
    TRY_ASSIGN(const auto at, parse_path(field->path));
    return at.setting.empty() ? pg::write_index(server, context, at.index, *field)
                              : pg::write_setting_field(server, context, at.setting, *field);
}

// What is written is the same however often it is written: what stands there answers.
Result<std::optional<Applied>> PostgresTarget::find(const StepKey& /*key*/, const Step& step,
                                                    Deadline deadline)
{
    if (!step.action.empty()) {
        TRY_ASSIGN(const auto* action, action_of(step));
        return action->find({database_, clock_, cancel_}, step, deadline);
    }
    TRY_ASSIGN(const auto* written, only_field(step));
    TRY_ASSIGN(const auto now, field(written->path, deadline));
    if (!same_json(*now, *written->after))
        return std::nullopt;
    return std::optional(Applied{.observed = show_value(*now), .data = {}});
}

Result<> PostgresTarget::verify(const Step& step, const Applied& applied, Deadline deadline,
                                Progress& progress)
{
    const pg::Server server{database_, clock_, cancel_};
    if (!step.action.empty()) {
        TRY_ASSIGN(const auto* action, action_of(step));
        return action->verify(server, step, applied, deadline, progress);
    }
    TRY_ASSIGN(const auto* field, only_field(step));
    TRY_ASSIGN(const auto at, parse_path(field->path));
    return at.setting.empty() ? pg::verify_index(server, at.index, *field->after, deadline)
                              : pg::verify_setting(server, at.setting, *field->after, deadline);
}

Result<Facts> PostgresTarget::facts(const Plan& plan, Deadline /*deadline*/)
{
    Facts facts;
    for (const auto& step : plan.steps)
        if (step.action == pg::k_archive.name && step.bound)
            facts.deletes = DeleteFact{"rows", *step.bound,
                                       static_cast<std::int64_t>(json_number_or(
                                           *step.arguments, "total", static_cast<double>(*step.bound)))};
    return facts;
}

} // namespace conduit::ops
