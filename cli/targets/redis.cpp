// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/redis.hpp"

#include "cli/redis/save.hpp"
#include "cli/redis/settings.hpp"
#include "cli/targets/redis_steps.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops {
namespace {

constexpr std::string_view k_settings = "config/";

Result<std::string> setting_of(const std::string& path)
{
    if (path.starts_with(k_settings) && path.size() > k_settings.size())
        return path.substr(k_settings.size());
    return fail(ErrorKind::internal, fmt::format("Redis has no field '{}'", path));
}

redis::ClearRequest clear_of(const Json& arguments)
{
    return {.prefix = json_string_or(arguments, "prefix", ""),
            .pattern = json_string_or(arguments, "pattern", ""),
            .per_second = json_number_or(arguments, "per_second", 0)};
}

redis::FailoverPlan failover_of(const Json& arguments)
{
    return {.replica = json_string_or(arguments, "replica", ""),
            .replica_address = json_string_or(arguments, "replica_address", ""),
            .master = json_string_or(arguments, "master", ""),
            .master_address = json_string_or(arguments, "master_address", ""),
            .force = json_bool_or(arguments, "force", false)};
}

redis::SentinelPlan sentinel_of(const Json& arguments)
{
    return {.name = json_string_or(arguments, "name", ""),
            .sentinel = json_string_or(arguments, "sentinel", ""),
            .old_master = json_string_or(arguments, "old_master", "")};
}

std::vector<std::string> texts_of(const Json& arguments, std::string_view key)
{
    std::vector<std::string> out;
    if (const auto* list = json_find(arguments, key); list != nullptr && list->is_array())
        for (const auto& one : *list)
            if (one.is_string())
                out.push_back(one.get<std::string>());
    return out;
}

redis::RejoinPlan rejoin_of(const Json& arguments)
{
    redis::RejoinPlan plan{.node = json_string_or(arguments, "node", ""),
                           .address = json_string_or(arguments, "address", ""),
                           .master = json_string_or(arguments, "master", ""),
                           .master_address = json_string_or(arguments, "master_address", ""),
                           .others = texts_of(arguments, "others"),
                           .forget = texts_of(arguments, "forget")};
    if (const auto* meet = json_find(arguments, "meet"); meet != nullptr && meet->is_array())
        for (const auto& one : *meet)
            plan.meet.emplace_back(json_string_or(one, "address", ""),
                                   static_cast<std::uint16_t>(json_number_or(one, "bus", 0)));
    return plan;
}

// Those of the step's database, which only a single server has more than one of.
Result<redis::Masters> masters_of(RedisServers& servers, const Json& arguments, Deadline deadline)
{
    const auto database = static_cast<unsigned>(json_number_or(arguments, "database", 0));
    TRY_ASSIGN(auto masters, redis::reach_masters(servers, deadline));
    if (masters.cluster && database != 0)
        return fail(ErrorKind::usage, "a Cluster has database 0 only");
    if (database != servers.database())
        for (const auto& server : masters.servers)
            TRY(server->ask({"SELECT", std::to_string(database)}, deadline));
    return masters;
}

std::string samples_text(const std::vector<std::string>& keys)
{
    std::string out;
    for (const auto& key : keys)
        out += fmt::format("{}{}", out.empty() ? "" : ", ", printable(sanitize_utf8(key.substr(0, 60))));
    return out;
}

Error written_since(std::uint64_t count, const std::vector<std::string>& some)
{
    return {ErrorKind::unverified,
            fmt::format("{} {} there: written since it was cleared ({})", count,
                        count == 1 ? "key is" : "keys are", samples_text(some)),
            "Stop what writes them first, or repeat it."};
}

} // namespace

Result<FieldMap> RedisTarget::observe(std::span<const std::string> paths, Deadline deadline)
{
    FieldMap out;
    if (paths.empty())
        return out;
    TRY_ASSIGN(const auto nodes, redis::reach_nodes(servers_, deadline));
    for (const auto& path : paths) {
        TRY_ASSIGN(const auto name, setting_of(path));
        std::optional<std::string> value;
        for (const auto& node : nodes) {
            if (!node.server)
                return node.error;
            TRY_ASSIGN(auto here, redis::read_setting(*node.server, name, deadline));
            if (value && *value != here)
                return fail(ErrorKind::refused,
                            fmt::format("the servers do not agree on {}: '{}' and '{}'", name,
                                        printable(*value), printable(here)),
                            fmt::format("See which: conduitctl redis config get {} -o wide", name));
            value = std::move(here);
        }
        out[path].value = Json(value.value_or(""));
    }
    return out;
}

Result<Applied> RedisTarget::apply(const WriteContext& context, const Step& step)
{
    const auto& arguments = *step.arguments;
    if (step.action.empty())
        return set(context, step);
    if (step.action == k_clear)
        return clear(context, step);
    if (step.action == k_flush)
        return flush(context, step);
    if (step.action == k_save)
        return save(context);
    if (step.action == k_failover) {
        const auto plan = failover_of(arguments);
        TRY(redis::start_failover(servers_, plan, context.sent, context.deadline));
        return Applied{.observed = plan.replica_address + " takes over", .data = Json::object()};
    }
    if (step.action == k_sentinel) {
        const auto plan = sentinel_of(arguments);
        TRY(redis::start_sentinel_failover(servers_, plan, context.sent, context.deadline));
        return Applied{.observed = fmt::format("sentinel {} does it", plan.sentinel), .data = Json::object()};
    }
    if (step.action == k_rejoin) {
        const auto plan = rejoin_of(arguments);
        TRY(redis::rejoin(servers_, plan, context.sent, cancel_, context.deadline));
        return Applied{.observed = fmt::format("follows {}", plan.master_address), .data = Json::object()};
    }
    return fail(ErrorKind::internal, fmt::format("Redis has no action '{}'", step.action));
}

Result<Applied> RedisTarget::clear(const WriteContext& context, const Step& step)
{
    const auto request = clear_of(*step.arguments);
    if (request.prefix.empty())
        return fail(ErrorKind::internal, "a clear without a prefix");
    TRY_ASSIGN(const auto masters, masters_of(servers_, *step.arguments, context.deadline));
    redis::Cleared done;
    const redis::ClearTools tools{clock_, cancel_, [this](const redis::Cleared& now) {
                                      progress_->waiting("removed", fmt::format("{} keys", now.removed));
                                  }};
    auto cleared = redis::clear_keys(masters, request, tools, done, context.deadline);
    if (context.sent)
        context.sent();
    if (!cleared && done.removed > 0) {
        auto error = std::move(cleared).error();
        error.kind = ErrorKind::partial;
        error.message = fmt::format("{} keys were removed, then: {}", done.removed, error.message);
        error.hint = "Repeat the command: what is gone is gone.";
        return error;
    }
    TRY(std::move(cleared));
    if (done.kept > 0)
        return fail(
            ErrorKind::partial,
            fmt::format("{} keys were removed, the servers kept {}: {}", done.removed, done.kept, done.why),
            "Slots are being moved, or a master changed: look at conduitctl redis cluster check, repeat it.");
    return Applied{.observed = fmt::format("{} keys gone", done.removed),
                   .data = Json{{"removed", done.removed}}};
}

Result<Applied> RedisTarget::flush(const WriteContext& context, const Step& step)
{
    TRY_ASSIGN(const auto masters, masters_of(servers_, *step.arguments, context.deadline));
    std::uint64_t removed = 0;
    std::size_t done = 0;
    for (const auto& server : masters.servers) {
        TRY_ASSIGN(const auto size, server->ask({"DBSIZE"}, context.deadline));
        auto flushed = server->ask({"FLUSHDB", "ASYNC"}, context.deadline);
        if (!flushed) {
            auto error = std::move(flushed).error();
            if (done > 0)
                error.kind = ErrorKind::partial;
            else if (error.kind == ErrorKind::unreachable)
                error.kind = ErrorKind::unknown;
            return error;
        }
        ++done;
        removed += static_cast<std::uint64_t>(std::max<std::int64_t>(0, size.integer));
    }
    if (context.sent)
        context.sent();
    return Applied{.observed = fmt::format("{} keys of {} masters gone", removed, done),
                   .data = Json{{"removed", removed}}};
}

Result<Applied> RedisTarget::save(const WriteContext& context)
{
    TRY_ASSIGN(const auto masters, redis::reach_masters(servers_, context.deadline));
    TRY_ASSIGN(const auto saved, redis::save(
                                     masters, context.sent,
                                     [this](const std::string& text) { progress_->waiting("save", text); },
                                     cancel_, context.deadline));
    Json nodes = Json::array();
    for (const auto& one : saved)
        nodes.push_back({{"node", one.node}, {"before", one.before}, {"after", one.after}});
    return Applied{.observed =
                       fmt::format("{} saved", saved.size() == 1 ? saved.front().node
                                                                 : fmt::format("{} masters", saved.size())),
                   .data = Json{{"saved", std::move(nodes)}}};
}

Result<Applied> RedisTarget::set(const WriteContext& context, const Step& step)
{
    if (step.fields.size() != 1 || !step.fields.front().after->is_string())
        return fail(ErrorKind::internal, "a step on Redis sets one text");
    const auto& field = step.fields.front();
    TRY_ASSIGN(const auto name, setting_of(field.path));
    const auto value = field.after->get<std::string>();
    const auto before = field.before->is_string() ? field.before->get<std::string>() : std::string();
    TRY_ASSIGN(const auto now, observe(std::vector<std::string>{field.path}, context.deadline));
    if (const auto moved = moved_fields(step, now); !moved.empty())
        return stale_error(fmt::format("{} of Redis was changed since", name), moved);
    TRY_ASSIGN(const auto nodes, redis::reach_nodes(servers_, context.deadline));
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        auto done = nodes[i].server ? nodes[i].server->ask({"CONFIG", "SET", name, value}, context.deadline)
                                    : Result<redis::Reply>(nodes[i].error);
        if (done)
            continue;
        bool back = true; // all of them or none
        for (std::size_t j = 0; j < i; ++j)
            back =
                nodes[j].server->ask({"CONFIG", "SET", name, before}, context.deadline).has_value() && back;
        auto error = std::move(done).error();
        if (error.kind == ErrorKind::failed)
            error.kind = ErrorKind::refused;
        if (!back)
            error.kind = ErrorKind::partial;
        return error;
    }
    if (context.sent)
        context.sent();
    return Applied{.observed = fmt::format("{} = {}", name, printable(value)),
                   .data = Json{{"value", value}}};
}

Result<std::optional<Applied>> RedisTarget::find(const StepKey& /*key*/, const Step& /*step*/,
                                                 Deadline /*deadline*/)
{
    return std::optional<Applied>{};
}

bool RedisTarget::keyed(const Step& /*step*/) const
{
    return false;
}

Result<> RedisTarget::verify_clear(const Step& step, Deadline deadline)
{
    TRY_ASSIGN(const auto masters, masters_of(servers_, *step.arguments, deadline));
    if (step.action == k_clear) {
        TRY_ASSIGN(const auto left, redis::count_keys(masters, clear_of(*step.arguments), cancel_, deadline));
        return left.count == 0 ? Result<>() : Result<>(written_since(left.count, left.some));
    }
    TRY_ASSIGN(const auto sample, redis::sample_keys(masters, {.most = 1'000}, deadline));
    return sample.total == 0 ? Result<>() : Result<>(written_since(sample.total, sample.some));
}

Result<> RedisTarget::verify(const Step& step, const Applied& applied, Deadline deadline, Progress& progress)
{
    const auto waiting = [&](const std::string& text) { progress.waiting("redis", text); };
    if (step.action == k_clear || step.action == k_flush)
        return verify_clear(step, deadline);
    if (step.action == k_failover)
        return redis::wait_failover(servers_, failover_of(*step.arguments), waiting, cancel_, deadline);
    if (step.action == k_sentinel)
        return redis::wait_sentinel_failover(servers_, sentinel_of(*step.arguments), waiting, cancel_,
                                             deadline);
    if (step.action == k_rejoin)
        return redis::wait_rejoined(servers_, rejoin_of(*step.arguments), waiting, cancel_, deadline);
    if (step.action == k_save) {
        TRY_ASSIGN(const auto masters, redis::reach_masters(servers_, deadline));
        std::vector<redis::Saved> saved;
        if (const auto* list = json_find(*applied.data, "saved"); list != nullptr && list->is_array())
            for (const auto& one : *list)
                saved.push_back({json_string_or(one, "node", ""),
                                 static_cast<std::int64_t>(json_number_or(one, "before", 0)),
                                 static_cast<std::int64_t>(json_number_or(one, "after", 0))});
        return redis::check_saved(masters, saved, deadline);
    }
    TRY_ASSIGN(const auto now, observe(paths_of(step), deadline));
    for (const auto& field : step.fields)
        if (!same_json(*now.at(field.path).value, *field.after))
            return fail(
                ErrorKind::unverified,
                fmt::format("{} is {}", field.path, show_value(*now.at(field.path).value)),
                "Redis may write the same value in another way: look with conduitctl redis config get.");
    return {};
}

} // namespace conduit::ops
