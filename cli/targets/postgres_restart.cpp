// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/postgres_restart.hpp"

#include "cli/database/objects.hpp"
#include "cli/targets/postgres_actions.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops {
namespace {

Result<std::string> started_at(Database& database, Deadline deadline)
{
    TRY_ASSIGN(
        const auto read,
        database.run(sql::request("started", "SELECT pg_postmaster_start_time()::text AS t"), deadline));
    if (!read.value("t"))
        return fail(ErrorKind::unknown, "the server did not say when it was started");
    return *read.value("t");
}

} // namespace

Result<FieldMap> PostgresRestartTarget::observe(std::span<const std::string> paths, Deadline deadline)
{
    return workloads_.observe(paths, deadline);
}

Result<Applied> PostgresRestartTarget::apply(const WriteContext& context, const Step& step)
{
    TRY_ASSIGN(const auto before, started_at(database_, context.deadline));
    TRY(database_.run(sql::request("checkpoint", "CHECKPOINT"), context.deadline));
    TRY_ASSIGN(auto applied, workloads_.apply(context, step));
    applied.data = Json{{"workload", *applied.data}, {"started", before}};
    return applied;
}

Result<std::optional<Applied>> PostgresRestartTarget::find(const StepKey& key, const Step& step,
                                                           Deadline deadline)
{
    TRY_ASSIGN(auto found, workloads_.find(key, step, deadline));
    if (found)
        found->data = Json{{"workload", *found->data}};
    return found;
}

Result<> PostgresRestartTarget::verify(const Step& step, const Applied& applied, Deadline deadline,
                                       Progress& progress)
{
    const auto* workload = json_find(*applied.data, "workload");
    TRY(workloads_.verify(step, {applied.observed, workload == nullptr ? JsonBox() : JsonBox(*workload)},
                          deadline, progress));
    const auto before = json_string_or(*applied.data, "started", "");
    return pg::wait_until({database_, clock_, cancel_}, deadline, [&](std::string& line) -> Result<bool> {
        const auto now = started_at(database_, deadline);
        line = now ? fmt::format("{} runs since {}: it was not started anew", database_.identity(), *now)
                   : now.error().message;
        progress.waiting("server", line);
        return now && *now != before;
    });
}

Result<Facts> PostgresRestartTarget::facts(const Plan& plan, Deadline deadline)
{
    return workloads_.facts(plan, deadline);
}

} // namespace conduit::ops
