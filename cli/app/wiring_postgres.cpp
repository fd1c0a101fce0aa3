// SPDX-License-Identifier: Apache-2.0
#include "cli/app/wiring_postgres.hpp"

#include "cli/app/module.hpp"
#include "cli/app/operations.hpp"
#include "cli/backend/postgres/connection.hpp"
#include "cli/backend/postgres_tunnel.hpp"
#include "cli/targets/postgres.hpp"
#include "cli/targets/postgres_restart.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

namespace conduit {
namespace {

using Connection = std::shared_ptr<ClusterConnection>;

Result<std::string> password_of(App& app, const Context& context, const Connection& connection,
                                Deadline deadline)
{
    const auto& ref = context.postgres.password;
    if (!ref.set())
        return std::string(); // the server may want none
    if (ref.source == SecretRef::Source::kubernetes) {
        TRY_ASSIGN(const Cluster* cluster, connection->get(app));
        return read_cluster_secret(*cluster, ref.location, deadline);
    }
    TRY_ASSIGN(const auto secret, app.secret(ref));
    return secret.reveal();
}

Result<postgres::Late> reach(App& app, const Context& context, const Connection& connection,
                             Deadline deadline)
{
    postgres::Late late;
    TRY_ASSIGN(late.password, password_of(app, context, connection, deadline));
    const auto& config = context.postgres;
    if (!config.host.empty())
        return late;
    TRY_ASSIGN(Endpoints * endpoints, app.endpoints());
    TRY_ASSIGN(InstanceStreams * streams, app.streams());
    TRY_ASSIGN(auto opened, PostgresTunnel::open(open_service_port(*endpoints, *streams, config.service,
                                                                   config.port, app.cancel()),
                                                 config.port));
    const std::shared_ptr<PostgresTunnel> tunnel = std::move(opened);
    late.host = tunnel->folder().string();
    late.fault = [tunnel] { return tunnel->fault(); };
    late.kept = tunnel;
    return late;
}

} // namespace

Result<std::unique_ptr<Database>> make_context_database(App& app, const Connection& connection)
{
    TRY_ASSIGN(const Context* context, app.context());
    const auto& config = context->postgres;
    if (!config.set())
        return fail(
            ErrorKind::usage, fmt::format("context {} names no PostgreSQL", context->name),
            fmt::format("Say where it is: conduitctl context set postgres.host HOST -C {}", context->name));
    postgres::Settings settings{.identity = {},
                                .host = config.host,
                                .port = config.port,
                                .database = config.database.empty() ? "postgres" : config.database,
                                .user = config.user.empty() ? "postgres" : config.user,
                                .ssl_mode = config.ssl_mode,
                                .ca = config.ca.string()};
    if (config.host.empty()) {
        if (context->orchestrator != OrchestratorKind::kubernetes)
            return fail(ErrorKind::usage,
                        fmt::format("context {} has no cluster to reach service {} in", context->name,
                                    config.service),
                        "Name the server's address: conduitctl context set postgres.host HOST");
        TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
        TRY_ASSIGN(const auto cluster, orchestrator->identity(app.deadline(30s)));
        settings.identity =
            fmt::format("postgres {} at service {} of {}", settings.database, config.service, cluster);
    } else {
        settings.identity = fmt::format("postgres {} at {}:{}", settings.database, config.host, config.port);
    }
    settings.identity = printable(settings.identity);
    TRY_ASSIGN(BackendModule * backends, app.backends());
    return backends->postgres(
        settings,
        [&app, context, connection](Deadline deadline) { return reach(app, *context, connection, deadline); },
        &app.cancel());
}

Result<std::unique_ptr<ops::Target>> make_postgres_target(App& app)
{
    TRY_ASSIGN(Database * database, app.database());
    return std::make_unique<ops::PostgresTarget>(*database, app.clock(), &app.cancel());
}

Result<std::unique_ptr<ops::Target>> make_postgres_restart_target(App& app)
{
    TRY_ASSIGN(const Context* context, app.context());
    TRY_ASSIGN(Database * database, app.database());
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(ops::Target * workloads,
               operations->target(std::string(orchestrator_name(context->orchestrator))));
    return std::make_unique<ops::PostgresRestartTarget>(*database, *workloads, app.clock(), &app.cancel());
}

CheckResult postgres_reachable(App& app, const Context& context)
{
    if (!context.postgres.set())
        return {CheckResult::Status::skip, "the context names none", {}};
    const auto database = app.database();
    if (!database)
        return {CheckResult::Status::fail, database.error().message, database.error().hint};
    const auto answer = (*database)->run({.text = "SELECT 1"}, app.deadline(5s));
    if (!answer)
        return {CheckResult::Status::fail, answer.error().message, answer.error().hint};
    return {CheckResult::Status::ok, (*database)->identity() + " answers", {}};
}

} // namespace conduit
