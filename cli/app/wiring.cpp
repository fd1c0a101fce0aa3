// SPDX-License-Identifier: Apache-2.0
#include "cli/app/wiring.hpp"

#include "cli/app/module.hpp"
#include "cli/app/operations.hpp"
#include "cli/app/wiring_backup.hpp"
#include "cli/app/wiring_cluster.hpp"
#include "cli/app/wiring_postgres.hpp"
#include "cli/app/wiring_redis.hpp"
#include "cli/backend/agent.hpp"
#include "cli/orchestrator/local/layout.hpp"
#include "cli/orchestrator/local/orchestrator.hpp"
#include "cli/orchestrator/local/stack.hpp"
#include "cli/orchestrator/local/streams.hpp"
#include "cli/targets/certificates.hpp"
#include "cli/targets/config_file.hpp"
#include "cli/targets/control_target.hpp"
#include "cli/targets/once.hpp"
#include "cli/targets/releases.hpp"
#include "cli/targets/settings_target.hpp"
#include "cli/targets/volumes.hpp"
#include "cli/targets/workloads.hpp"
#include "core/process.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace conduit {
namespace {

fs::path folder_of(App& app, const Context& context)
{
    return context.dir.empty() ? app.paths().data_dir : context.dir;
}

Result<std::vector<AgentEndpoint>> local_replicas(const fs::path& dir, const Cancel* cancel,
                                                  Deadline deadline)
{
    TRY_ASSIGN(const auto instances, local::make_orchestrator(dir, cancel)->instances("agent", deadline));
    std::vector<AgentEndpoint> endpoints;
    for (const auto& instance : instances)
        if (!instance.admin_url.empty() && instance.state != InstanceState::exited &&
            instance.state != InstanceState::draining)
            endpoints.push_back({instance.name, instance.admin_url});
    return endpoints;
}

using Connection = std::shared_ptr<ClusterConnection>;

Result<std::unique_ptr<Agents>> make_context_agents(App& app, const Connection& connection)
{
    TRY_ASSIGN(const Context* context, app.context());
    if (context->orchestrator == OrchestratorKind::kubernetes && context->agent.urls.empty()) {
        TRY_ASSIGN(const Cluster* cluster, connection->get(app));
        return make_cluster_agents(app, *context, *cluster);
    }
    const auto dir = folder_of(app, *context);
    AgentsOptions options;
    options.actor = app.operator_name();
    options.ca_file = context->agent.ca.string();
    options.certificate_file = context->agent.certificate.string();
    options.key_file = context->agent.key.string();
    // A client a thread: libcurl's handles are not shared.
    TRY_ASSIGN(BackendModule * backends, app.backends());
    options.client = [backends, &app]() -> std::unique_ptr<HttpClient> {
        auto client = backends->http(&app.cancel());
        return client ? *std::move(client) : nullptr;
    };
    options.token = [&app, context, dir]() -> Result<std::string> {
        auto ref = context->agent.token;
        if (!ref.set())
            ref = {SecretRef::Source::file, local::Layout{dir}.operator_token().string()};
        TRY_ASSIGN(const auto secret, app.secret(ref));
        return secret.reveal();
    };
    if (!context->agent.urls.empty()) {
        options.identity = "agents " + context->agent.urls.front();
        options.discover = [context](Deadline) -> Result<std::vector<AgentEndpoint>> {
            std::vector<AgentEndpoint> endpoints;
            for (const auto& url : context->agent.urls)
                endpoints.push_back({url, url});
            return endpoints;
        };
    } else if (context->orchestrator == OrchestratorKind::local) {
        options.identity = "local " + dir.string();
        options.discover = [dir, &app](Deadline deadline) {
            return local_replicas(dir, &app.cancel(), deadline);
        };
    } else {
        return fail(ErrorKind::failed,
                    fmt::format("context {} is run by {}, whose agents this program cannot find yet",
                                context->name, orchestrator_name(context->orchestrator)),
                    fmt::format("Name their admin addresses: conduitctl context set agent.urls '[URL]' -C {}",
                                context->name));
    }
    return make_agents(std::move(options));
}

Result<std::unique_ptr<Orchestrator>> make_context_orchestrator(App& app, const Connection& connection)
{
    TRY_ASSIGN(const Context* context, app.context());
    if (context->orchestrator == OrchestratorKind::kubernetes) {
        TRY_ASSIGN(const Cluster* cluster, connection->get(app));
        return make_cluster_orchestrator(*cluster);
    }
    if (context->orchestrator != OrchestratorKind::local)
        return fail(ErrorKind::failed,
                    fmt::format("context {} is run by {}, which this program cannot speak to yet",
                                context->name, orchestrator_name(context->orchestrator)),
                    "Choose a local context: conduitctl context use local");
    return local::make_orchestrator(folder_of(app, *context), &app.cancel());
}

Result<std::unique_ptr<InstanceStreams>> make_context_streams(App& app, const Connection& connection)
{
    TRY_ASSIGN(const Context* context, app.context());
    if (context->orchestrator == OrchestratorKind::kubernetes) {
        TRY_ASSIGN(const Cluster* cluster, connection->get(app));
        return make_cluster_streams(app, *cluster);
    }
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    return local::make_instance_streams(*orchestrator);
}

Result<std::unique_ptr<ops::Target>> make_instances_target(App& app)
{
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    TRY_ASSIGN(auto identity, orchestrator->identity(app.deadline(30s)));
    return std::make_unique<ops::OnceTarget>("instances", std::move(identity));
}

Result<std::unique_ptr<ops::Target>> make_workload_target(App& app, ops::Settle settle)
{
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    // The orchestrator's word is not enough: the instance itself has to answer.
    auto probe = [&app](const Instance& instance, Deadline deadline) -> Result<> {
        if (instance.admin_url.empty())
            return {};
        TRY_ASSIGN(HttpClient * client, app.http());
        TRY_ASSIGN(const auto answer, client->send({.url = instance.admin_url + "/health/ready"}, deadline));
        if (answer.status != 200)
            return fail(ErrorKind::unverified,
                        fmt::format("{} answers HTTP {}", instance.name, answer.status));
        return {};
    };
    TRY_ASSIGN(auto identity, orchestrator->identity(app.deadline(30s)));
    return std::make_unique<ops::WorkloadTarget>(*orchestrator, std::move(identity), std::move(probe),
                                                 &app.cancel(), std::move(settle));
}

Result<std::unique_ptr<ops::Target>> make_local_target(App& app)
{
    return make_workload_target(app, {});
}

Result<std::unique_ptr<ops::Target>> make_cluster_target(App& app)
{
    TRY_ASSIGN(Releases * releases, app.releases());
    return make_workload_target(
        app, [releases](const std::string& workload, const ChangeProgress& progress, Deadline deadline) {
            return releases->settle(workload, progress, deadline);
        });
}

Result<std::unique_ptr<ops::Target>> make_control_target(App& app)
{
    TRY_ASSIGN(Agents * agents, app.agents());
    TRY_ASSIGN(const Context* context, app.context());
    const bool shared = context->orchestrator != OrchestratorKind::compose && context->agent.urls.empty();
    return std::make_unique<ControlTarget>(*agents, app.clock(), Duration{1000}, shared, &app.cancel());
}

// The ConfigMap that the replicas see as the file they say they have read.
Result<std::unique_ptr<BaseConfig>> find_cluster_config(App& app, Agents& agents)
{
    constexpr Duration limit{30'000};
    const auto deadline = app.deadline(limit);
    TRY_ASSIGN(const auto replica, agents.ask({.path = "/admin/v1/replica"}, deadline));
    const auto* config = json_find(*replica, "config");
    const fs::path file = config == nullptr ? "" : json_string_or(*config, "file", "");
    const auto name = json_string_or(*replica, "name", "");
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    TRY_ASSIGN(const auto instances, orchestrator->instances("", deadline));
    const auto self = std::ranges::find(instances, name, &Instance::name);
    if (self == instances.end())
        return fail(ErrorKind::unknown, fmt::format("replica {} is no instance of the cluster", name),
                    "See what runs: conduitctl ps");
    TRY_ASSIGN(ServiceSettings * settings, app.settings());
    TRY_ASSIGN(auto mounted, find_mounted_config(*settings, self->workload, file, deadline));
    return make_config_in_map(*settings, std::move(mounted.map), std::move(mounted.key));
}

Result<std::unique_ptr<ops::Target>> make_persist_target(App& app)
{
    TRY_ASSIGN(Agents * agents, app.agents());
    TRY_ASSIGN(const Context* context, app.context());
    if (context->orchestrator == OrchestratorKind::compose || !context->agent.urls.empty())
        return fail(
            ErrorKind::refused,
            fmt::format("the base configuration of context {} cannot be written from here", context->name),
            "Leave out --persist, and change its configuration where it is kept.");
    std::unique_ptr<BaseConfig> where;
    if (context->orchestrator == OrchestratorKind::kubernetes) {
        TRY_ASSIGN(where, find_cluster_config(app, *agents));
    } else {
        const local::Layout layout{folder_of(app, *context)};
        where = make_config_in_file(layout.agent_yaml(), layout.state() / "file-keys.json");
    }
    TRY_ASSIGN(auto control, make_control_target(app));
    return std::make_unique<PersistTarget>(std::move(control), *agents, app.clock(),
                                           ConfigFile(std::move(where)), &app.cancel());
}

// refused where the context is of no cluster, which alone keeps `what`.
Result<const Cluster*> only_cluster(App& app, const Connection& connection, ErrorKind kind,
                                    std::string_view what)
{
    TRY_ASSIGN(const Context* context, app.context());
    if (context->orchestrator != OrchestratorKind::kubernetes)
        return fail(kind,
                    fmt::format("context {} is run by {}: {} are of a cluster", context->name,
                                orchestrator_name(context->orchestrator), what),
                    "Name a context of a cluster with -C; see: conduitctl context ls");
    return connection->get(app);
}

Result<std::unique_ptr<ops::Target>> make_settings_target(App& app)
{
    TRY_ASSIGN(ServiceSettings * settings, app.settings());
    return std::make_unique<SettingsTarget>(*settings, app.clock());
}

Result<std::unique_ptr<ops::Target>> make_release_target(App& app)
{
    TRY_ASSIGN(Releases * releases, app.releases());
    return std::make_unique<ops::ReleaseTarget>(*releases);
}

Result<std::unique_ptr<ops::Target>> make_volume_target(App& app)
{
    TRY_ASSIGN(Volumes * volumes, app.volumes());
    return std::make_unique<ops::VolumeTarget>(*volumes);
}

Result<std::unique_ptr<ops::Target>> make_certificate_target(App& app)
{
    TRY_ASSIGN(Certificates * certificates, app.certificates());
    return std::make_unique<ops::CertificateTarget>(*certificates);
}

CheckResult agents_reachable(App& app, const Context&)
{
    const auto agents = app.agents();
    if (!agents)
        return {CheckResult::Status::fail, agents.error().message, agents.error().hint};
    const auto deadline = app.deadline(Duration{5000});
    const auto reading = read_convergence(**agents, 0, deadline);
    if (reading.rows.empty())
        return {CheckResult::Status::warn, "no agent is running", "Start one: conduitctl local up"};
    if (!reading.complete())
        return {CheckResult::Status::fail, reading.missing(), "Look at them: conduitctl ps"};
    return {CheckResult::Status::ok, fmt::format("{} of {} answer", reading.agreed, reading.rows.size()), {}};
}

} // namespace

void wire(App& app)
{
    const auto connection = std::make_shared<ClusterConnection>();
    app.module_slot.set([](App& a) { return load_backend_module(a.env_or("CONDUIT_BACKENDS", "")); });
    app.spawn_self = [&app](const std::vector<std::string>& words) {
        SpawnSpec spec{.argv = {app.program_path()}};
        spec.argv.insert(spec.argv.end(), words.begin(), words.end());
        (void)spawn_process(spec).has_value(); // completion goes on without
    };
    app.http_slot.set([connection](App& a) -> Result<std::unique_ptr<HttpClient>> {
        const auto context = a.context();
        if (context && (*context)->orchestrator == OrchestratorKind::kubernetes) {
            TRY_ASSIGN(const Cluster* cluster, connection->get(a));
            return make_cluster_http(a, *cluster);
        }
        TRY_ASSIGN(BackendModule * backends, a.backends());
        return backends->http(&a.cancel());
    });
    app.agents_slot.set([connection](App& a) { return make_context_agents(a, connection); });
    app.local_slot.set([](App& a) -> Result<std::unique_ptr<local::LocalStack>> {
        return local::make_local_stack([&a] { return a.http(); });
    });
    app.orchestrator_slot.set([connection](App& a) { return make_context_orchestrator(a, connection); });
    app.streams_slot.set([connection](App& a) { return make_context_streams(a, connection); });
    app.backups_slot.set(make_context_backups);
    app.settings_slot.set([connection](App& a) -> Result<std::unique_ptr<ServiceSettings>> {
        TRY_ASSIGN(const Cluster* cluster,
                   only_cluster(a, connection, ErrorKind::usage, "settings and secrets"));
        return make_cluster_settings(a, *cluster);
    });
    app.endpoints_slot.set([connection](App& a) -> Result<std::unique_ptr<Endpoints>> {
        TRY_ASSIGN(const Cluster* cluster, only_cluster(a, connection, ErrorKind::usage, "endpoints"));
        return make_cluster_endpoints(*cluster);
    });
    app.releases_slot.set([connection](App& a) -> Result<std::unique_ptr<Releases>> {
        TRY_ASSIGN(const Cluster* cluster,
                   only_cluster(a, connection, ErrorKind::refused, "releases, autoscalers and the like"));
        return make_cluster_releases(a, *cluster);
    });
    app.database_slot.set([connection](App& a) { return make_context_database(a, connection); });
    app.volumes_slot.set([connection](App& a) -> Result<std::unique_ptr<Volumes>> {
        TRY_ASSIGN(const Cluster* cluster,
                   only_cluster(a, connection, ErrorKind::refused, "claims on volumes"));
        return make_cluster_volumes(a, *cluster);
    });
    app.certificates_slot.set([connection](App& a) -> Result<std::unique_ptr<Certificates>> {
        TRY_ASSIGN(const Cluster* cluster,
                   only_cluster(a, connection, ErrorKind::refused, "managed certificates"));
        return make_cluster_certificates(a, *cluster);
    });
    app.redis_slot.set([connection](App& a) { return make_context_redis(a, connection); });
    const std::shared_ptr<ClusterRecords> records = make_cluster_records(app, connection);
    app.operations_slot.set([connection, records](App& a) -> Result<std::unique_ptr<Operations>> {
        auto operations = std::make_unique<Operations>(a);
        operations->add_target("agent", make_control_target);
        operations->add_target("backups", make_backup_target);
        operations->add_target("agent-and-file", make_persist_target);
        operations->add_target("instances", make_instances_target);
        operations->add_target("local", make_local_target);
        operations->add_target("settings", make_settings_target);
        operations->add_target("kubernetes", make_cluster_target);
        operations->add_target("releases", make_release_target);
        operations->add_target("postgres", make_postgres_target);
        operations->add_target("postgres-restart", make_postgres_restart_target);
        operations->add_target("volumes", make_volume_target);
        operations->add_target("certificates", make_certificate_target);
        operations->add_target("redis", make_redis_target);
        if (const auto context = a.context();
            context && (*context)->orchestrator == OrchestratorKind::kubernetes) {
            operations->set_locks(make_cluster_locks(a, connection));
            operations->set_records(*records, *records);
        }
        return operations;
    });
    app.reach_checks.push_back({"agents reachable", agents_reachable});
    app.reach_checks.push_back({"PostgreSQL answers", postgres_reachable});
}

} // namespace conduit
