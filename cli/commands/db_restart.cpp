// SPDX-License-Identifier: Apache-2.0
// `db restart`: the workload that runs the server, through the orchestrator.
#include "cli/commands/db.hpp"
#include "cli/commands/releases.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct RestartOptions {
    std::string workload = "postgres";
    ops::ChangeOptions change;
};

Result<> check_ours(App& app)
{
    TRY_ASSIGN(const Context* context, app.context());
    if (context->orchestrator != OrchestratorKind::kubernetes)
        return fail(ErrorKind::refused,
                    fmt::format("the PostgreSQL of context {} was not started by what runs here ({})",
                                context->name, orchestrator_name(context->orchestrator)),
                    "Restart it where it runs, with a fast shutdown: pg_ctl restart -m fast");
    if (context->postgres.service.empty())
        return fail(
            ErrorKind::refused,
            fmt::format("the PostgreSQL of context {} is known by its address alone, and may run outside of "
                        "the cluster",
                        context->name),
            "Name its service: conduitctl context set postgres.service NAME; or restart it where it runs.");
    return {};
}

Result<Report> restart(App& app, const RestartOptions& o)
{
    TRY(check_ours(app));
    TRY_ASSIGN(const auto pending,
               ask_db(app, "pending-restart",
                      "SELECT name, setting FROM pg_settings WHERE pending_restart ORDER BY 1"));
    TRY_ASSIGN(
        const auto sessions,
        ask_db_row(app, "sessions-now",
                   "SELECT count(*) AS n FROM pg_stat_activity WHERE backend_type = 'client backend'"));
    TRY_ASSIGN(ops::WorkloadTarget * workloads, workload_target(app));
    auto intent = ops::restart_intent(*workloads, o.workload, {});
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(intent.target, operations->target("postgres-restart"));
    intent.verb = "db restart";
    intent.summary = fmt::format("restart the PostgreSQL of workload {}", o.workload);
    intent.tier = ops::Tier::severe;
    intent.confirm_name = o.workload;
    intent.lines.emplace_back("before", "CHECKPOINT, so that the start after it is short");
    intent.lines.emplace_back("sessions", fmt::format("{:.0f} end; their clients have to connect anew",
                                                      json_number_or(*sessions, "n", 0)));
    intent.lines.emplace_back("stop signal",
                              "SIGINT is fast; with SIGTERM it waits for clients and is killed at the "
                              "end of the grace period (the official image says SIGINT)");
    for (const auto& row : pending.rows)
        intent.lines.emplace_back(row[0].value_or(""),
                                  fmt::format("a new value takes effect, instead of {}",
                                              row.size() > 1 ? row[1].value_or("-") : "-"));
    auto options = o.change;
    if (!app.global().timeout)
        options.timeout = k_rollout_timeout;
    return operations->change(intent, options);
}

} // namespace

Verb db_restart_verb()
{
    return verb<RestartOptions>(
        {.name = "restart",
         .summary = "Restart the server, through the orchestrator",
         .effect = Effect::change,
         .tier = Tier::severe,
         .undo = Undo::none,
         .text = "A checkpoint, then the workload's own restart; done when the server itself says that it "
                 "began anew. "
                 "Refused where the server is not one that the context's orchestrator runs.",
         .examples =
             {"conduitctl db restart --workload postgres --confirm postgres --reason \"max_connections\""},
         .omitted = {{ErrorKind::rolled_back, "a restart cannot be taken back: 10"},
                     {ErrorKind::stale, "no field is written"}},
         .covers = {"E-db-raise-2"},
         .backends = {"postgres", "orchestrator"}},
        [](Flags& f, RestartOptions& o) {
            f.opt("--workload", o.workload, "What runs it").value("WORKLOAD");
            change_flags(f, o.change);
        },
        restart);
}

} // namespace conduit::commands
