// SPDX-License-Identifier: Apache-2.0
// The end of sessions, and old rows into their archive.
#include "cli/database/archive.hpp"
#include "cli/database/objects.hpp"
#include "cli/database/sessions.hpp"
#include "cli/targets/postgres_actions.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops::pg {
namespace {

constexpr Duration k_lock_wait{10'000};
constexpr int k_empty_batches = 5; // in a row, while there are rows left

Result<std::vector<sql::Session>> sessions_of(const Json& document)
{
    const auto* listed = json_find(document, "sessions");
    if (listed == nullptr || !listed->is_array())
        return fail(ErrorKind::usage, "the plan names no sessions");
    std::vector<sql::Session> out;
    for (const auto& one : *listed) {
        sql::Session session;
        TRY_ASSIGN(const auto pid, json_number(one, "pid"));
        TRY_ASSIGN(session.started, json_string(one, "started"));
        session.pid = static_cast<std::int64_t>(pid);
        out.push_back(std::move(session));
    }
    return out;
}

Result<Applied> end_sessions(const Server& server, const WriteContext& context, const Step& step)
{
    TRY_ASSIGN(const auto sessions, sessions_of(*step.arguments));
    const Duration older{static_cast<std::int64_t>(json_number_or(*step.arguments, "older_ms", 0))};
    const bool in_transaction = json_bool_or(*step.arguments, "in_transaction", false);
    std::int64_t ended = 0, busy = 0;
    Json list = Json::array();
    for (const auto& session : sessions) {
        auto done =
            sql::end_session(server.database, session, older, in_transaction, context.sent, context.deadline);
        if (!done)
            return stopped_after(std::move(done).error(), ended,
                                 ended == 1 ? "session was" : "sessions were");
        if (*done == sql::Ended::ended) {
            ++ended;
            list.push_back(Json{{"pid", session.pid}, {"started", session.started}});
        }
        busy += *done == sql::Ended::busy ? 1 : 0;
    }
    auto observed = fmt::format("{} ended", ended);
    if (busy > 0)
        observed += fmt::format(", {} spared: at work again", busy);
    if (const auto gone = static_cast<std::int64_t>(sessions.size()) - ended - busy; gone > 0)
        observed += fmt::format(", {} gone by themselves", gone);
    return Applied{.observed = observed, .data = Json{{"sessions", std::move(list)}}};
}

Result<std::int64_t> still_there(const Server& server, const Json& document, Deadline deadline)
{
    TRY_ASSIGN(const auto sessions, sessions_of(document));
    std::int64_t left = 0;
    for (const auto& session : sessions) {
        TRY_ASSIGN(const bool lives, sql::session_lives(server.database, session, deadline));
        left += lives ? 1 : 0;
    }
    return left;
}

Result<std::optional<Applied>> find_ended(const Server& server, const Step& step, Deadline deadline)
{
    TRY_ASSIGN(const auto left, still_there(server, *step.arguments, deadline));
    if (left > 0)
        return std::nullopt;
    return std::optional(Applied{.observed = "all are gone", .data = Json{{"sessions", Json::array()}}});
}

Result<> verify_ended(const Server& server, const Step&, const Applied& applied, Deadline deadline,
                      Progress& progress)
{
    return wait_until(server, deadline, [&](std::string& line) -> Result<bool> {
        TRY_ASSIGN(const auto left, still_there(server, *applied.data, deadline));
        line = fmt::format("{} {} not gone yet", left, left == 1 ? "session is" : "sessions are");
        if (left > 0)
            progress.waiting("sessions", line);
        return left == 0;
    });
}

Result<std::int64_t> move_all(const Server& server, const sql::ArchiveJob& job, std::int64_t bound,
                              const WriteContext& context)
{
    std::int64_t moved = 0;
    const auto stop = [&moved](Error error) { return stopped_after(std::move(error), moved, "rows were"); };
    for (int empty = 0; moved < bound && empty < k_empty_batches;) {
        if (server.cancel != nullptr && server.cancel->requested())
            return stop({ErrorKind::interrupted, "interrupted"});
        if (context.deadline.passed())
            return stop({ErrorKind::failed, "the time was up", "Give it longer: --timeout 2h"});
        auto batch = sql::archive_batch(server.database, job,
                                        std::min<std::int64_t>(job.batch, bound - moved), context.deadline);
        if (!batch)
            return stop(std::move(batch).error());
        if (context.sent && moved == 0)
            context.sent();
        moved += *batch;
        empty = *batch == 0 ? empty + 1 : 0;
        if (*batch == 0) {
            auto left = sql::archive_left(server.database, job, context.deadline);
            if (!left)
                return stop(std::move(left).error());
            if (!*left)
                break;
        }
    }
    return moved;
}

Result<Applied> archive(const Server& server, const WriteContext& context, const Step& step)
{
    TRY_ASSIGN(const auto job, sql::archive_from_json(*step.arguments));
    TRY(sql::set_lock_timeout(server.database, k_lock_wait, context.deadline));
    auto moved = move_all(server, job, step.bound.value_or(0), context);
    (void)sql::set_lock_timeout(server.database, Duration{0}, Deadline(k_lock_wait)).has_value();
    TRY_ASSIGN(const auto count, std::move(moved));
    return Applied{.observed = fmt::format("{} rows are in {}.{}", count, job.to_schema, job.to_table),
                   .data = Json{{"moved", count}}};
}

Result<std::optional<Applied>> find_archived(const Server& server, const Step& step, Deadline deadline)
{
    TRY_ASSIGN(const auto job, sql::archive_from_json(*step.arguments));
    TRY_ASSIGN(const bool left, sql::archive_left(server.database, job, deadline));
    if (left)
        return std::nullopt;
    return std::optional(Applied{.observed = "no row is older than the cut-off", .data = {}});
}

Result<> verify_archived(const Server& server, const Step& step, const Applied& applied, Deadline deadline,
                         Progress&)
{
    TRY_ASSIGN(const auto job, sql::archive_from_json(*step.arguments));
    TRY_ASSIGN(const bool left, sql::archive_left(server.database, job, deadline));
    const auto moved = static_cast<std::int64_t>(json_number_or(*applied.data, "moved", 0));
    if (left && moved < step.bound.value_or(0))
        return fail(ErrorKind::unverified,
                    fmt::format("rows of {}.{} older than {} are left: somebody else is changing them",
                                job.schema, job.table, job.cutoff));
    return {};
}

} // namespace

const Action k_end_sessions{"end-sessions", end_sessions, find_ended, verify_ended};
const Action k_archive{"archive", archive, find_archived, verify_archived};

} // namespace conduit::ops::pg
