// SPDX-License-Identifier: Apache-2.0
// `db kill-idle`: ends sessions that do nothing, and proves it.
#include "cli/commands/db.hpp"
#include "cli/database/sessions.hpp"
#include "cli/targets/postgres.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

constexpr std::size_t k_shown = 20;

struct KillOptions {
    Duration older{300'000};
    int limit = 0;
    std::string app, user, client;
    std::vector<std::string> keep;
    bool in_transaction = false;
    ops::ChangeOptions change;
};

// Without the right to see or to end others' sessions a query finds nothing, which looks like success.
Result<> check_rights(const sql::Rights& rights, const KillOptions& o)
{
    const bool only_ours = !o.user.empty() && o.user == rights.user;
    if (rights.superuser || only_ours || (rights.signal && rights.hidden == 0))
        return {};
    const auto role = sql_name(rights.user);
    if (!rights.signal)
        return fail(
            ErrorKind::auth, fmt::format("role {} may end none but its own sessions", printable(rights.user)),
            fmt::format("As a superuser: GRANT pg_signal_backend, pg_read_all_stats TO {}; or end your own "
                        "alone: --user {}",
                        role, rights.user));
    return fail(ErrorKind::auth,
                fmt::format("role {} is not shown what {} sessions of other roles do", printable(rights.user),
                            rights.hidden),
                fmt::format("As a superuser: GRANT pg_read_all_stats TO {}; or end your own alone: --user {}",
                            role, rights.user));
}

Json session_item(const sql::Session& s)
{
    return Json{{"pid", s.pid},       {"started", s.started}, {"user", s.user},    {"app", s.app},
                {"client", s.client}, {"state", s.state},     {"idle_s", s.idle_s}};
}

ops::Intent kill_intent(ops::Target& target, const KillOptions& o, const std::vector<sql::Session>& sessions)
{
    Json list = Json::array();
    for (const auto& session : sessions)
        list.push_back(session_item(session));
    ops::Step step;
    step.resource = "sessions";
    step.action = "end-sessions";
    step.arguments = Json{
        {"sessions", std::move(list)}, {"older_ms", o.older.count()}, {"in_transaction", o.in_transaction}};
    step.bound = static_cast<std::int64_t>(sessions.size());
    step.summary = fmt::format("end those that are {} for more than {}",
                               o.in_transaction ? "idle in a transaction" : "idle", human_duration(o.older));
    step.verify = "each of them is gone from the server's list";
    step.undo = "a session that was ended does not come back; its client connects anew";
    step.reversible = false;
    ops::Intent intent;
    intent.target = &target;
    intent.verb = "db kill-idle";
    intent.scope = "sessions";
    intent.summary =
        fmt::format("end {} idle {}", sessions.size(), sessions.size() == 1 ? "session" : "sessions");
    intent.confirm_name = "sessions";
    intent.tier = ops::Tier::moderate;
    intent.undo = ops::UndoKind::none;
    intent.rollback = false;
    intent.steps.push_back(std::move(step));
    for (std::size_t i = 0; i < std::min(sessions.size(), k_shown); ++i) {
        const auto& s = sessions[i];
        intent.lines.emplace_back(
            fmt::format("pid {}", s.pid),
            printable(fmt::format("{} of {} from {}, {} for {}", s.app.empty() ? "-" : s.app, s.user,
                                  s.client, s.state, human_seconds(s.idle_s))));
    }
    if (sessions.size() > k_shown)
        intent.lines.emplace_back("and", fmt::format("{} more", sessions.size() - k_shown));
    if (!o.in_transaction)
        intent.lines.emplace_back("pools",
                                  "healthy ones connect again at once: a smaller pool is what lasts");
    else
        intent.lines.emplace_back("lasting", "conduitctl db tune idle_in_transaction_session_timeout=10min");
    intent.watch = "conduitctl db connections";
    return intent;
}

Result<Report> kill_idle(App& app, const KillOptions& o)
{
    TRY_ASSIGN(Database * database, app.database());
    const auto deadline = app.deadline(k_db_timeout);
    TRY_ASSIGN(const auto rights, sql::session_rights(*database, deadline));
    TRY(check_rights(rights, o));
    TRY_ASSIGN(const auto sessions, sql::idle_sessions(*database,
                                                       {.older = o.older,
                                                        .in_transaction = o.in_transaction,
                                                        .app = o.app,
                                                        .user = o.user,
                                                        .client = o.client,
                                                        .keep = o.keep,
                                                        .limit = o.limit},
                                                       deadline));
    if (sessions.empty() && o.change.plan_in.empty()) {
        Report report;
        report.data = Json{{"operation", nullptr}, {"changed", false}, {"verdict", "ok"}, {"verified", true}};
        report.notes = {fmt::format("no session is {} for more than {}",
                                    o.in_transaction ? "idle in a transaction" : "idle",
                                    human_duration(o.older))};
        return report;
    }
    TRY_ASSIGN(ops::Target * target, db_target(app));
    return change_db(app, kill_intent(*target, o, sessions), o.change, false);
}

} // namespace

Verb db_kill_idle_verb()
{
    return verb<KillOptions>(
        {.name = "kill-idle",
         .summary = "End sessions that have been idle for long",
         .effect = Effect::change,
         .tier = Tier::moderate,
         .undo = Undo::none,
         .text =
             "Client sessions of this database; never this one, another conduitctl's, or replication. Each "
             "is "
             "known by its process and its start, and is looked at again just before: one that works again "
             "is "
             "spared. Without the rights to see and to end others' sessions it says so (5) instead of "
             "finding "
             "none. Sessions that are idle in a transaction hold locks: --in-transaction ends those instead.",
         .examples = {"conduitctl db kill-idle --older 5m --dry-run",
                      "conduitctl db kill-idle --older 10m --app worker --limit 20 --yes",
                      "conduitctl db kill-idle --in-transaction --older 1m --yes"},
         .omitted = {{ErrorKind::rolled_back, "a session that was ended does not come back: 10"},
                     {ErrorKind::stale, "a session that changed meanwhile is spared"}},
         .covers = {"E-db-kill-1"},
         .backends = {"postgres"}},
        [](Flags& f, KillOptions& o) {
            f.opt("--older", o.older, "Idle for so long");
            f.opt("--limit", o.limit, "At most so many, the longest idle first").between(1, 100'000);
            f.opt("--app", o.app, "Only of this application").value("NAME");
            f.opt("--user", o.user, "Only of this role").value("NAME");
            f.opt("--client", o.client, "Only from this address, or local").value("ADDRESS");
            f.opt("--keep", o.keep, "Leave this application alone; several times").value("APP");
            f.flag("--in-transaction", o.in_transaction, "Those that are idle within a transaction");
            change_flags(f, o.change);
        },
        kill_idle);
}

} // namespace conduit::commands
