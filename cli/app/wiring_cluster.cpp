// SPDX-License-Identifier: Apache-2.0
#include "cli/app/wiring_cluster.hpp"

#include "cli/app/module.hpp"
#include "cli/orchestrator/kubernetes/certificates.hpp"
#include "cli/orchestrator/kubernetes/orchestrator.hpp"
#include "cli/orchestrator/kubernetes/releases.hpp"
#include "cli/orchestrator/kubernetes/settings.hpp"
#include "cli/orchestrator/kubernetes/streams.hpp"
#include "cli/orchestrator/kubernetes/volumes.hpp"
#include "cli/targets/lease_store.hpp"
#include "core/hash.hpp"
#include "core/kube/api.hpp"
#include "core/kube/pod_proxy.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit {
namespace {

constexpr Duration k_limit{30'000};

kube::Places places_of(App& app, const Context& context)
{
    return {.only = context.kubernetes.kubeconfig,
            .kubeconfig = app.env_or("KUBECONFIG", ""),
            .home = app.env_or("HOME", ""),
            .service_host = app.env_or("KUBERNETES_SERVICE_HOST", ""),
            .service_port = app.env_or("KUBERNETES_SERVICE_PORT", "")};
}

// "namespace/secret/key"
Result<std::string> read_secret(kube::Api& api, const std::string& location, Deadline deadline)
{
    const auto parts = split(location, '/');
    if (parts.size() != 3)
        return fail(ErrorKind::usage, fmt::format("kubernetes:{} names no key of a Secret", location),
                    "Write kubernetes:NAMESPACE/SECRET/KEY.");
    TRY_ASSIGN(const auto object,
               api.get(kube::resource_path({.plural = "secrets"}, parts[0], parts[1]), deadline));
    const auto* data = json_find(*object, "data");
    const auto coded = data == nullptr ? std::string() : json_string_or(*data, parts[2], "");
    auto value = base64_decode(coded);
    if (coded.empty() || !value)
        return fail(ErrorKind::not_found,
                    fmt::format("Secret {} in namespace {} has no key {}", parts[1], parts[0], parts[2]),
                    "List its keys: conduitctl secret show " + parts[1]);
    while (value->ends_with('\n'))
        value->pop_back();
    return *std::move(value);
}

// Made once for each operator; what it salts can be compared by nobody else.
Result<std::string> fingerprint_salt(App& app)
{
    const auto file = app.paths().state_dir / "fingerprint.salt";
    if (auto kept = read_file(file, 1U << 10U); kept && !trim(*kept).empty())
        return std::string(trim(*kept));
    auto salt = random_token(32);
    TRY(make_dirs(file.parent_path()));
    TRY(write_file(file, salt + "\n"));
    return salt;
}

// Reached when a lock is first asked for: a journal is read without a cluster.
class ClusterLocks final : public ops::LockStore {
  public:
    ClusterLocks(App& app, std::shared_ptr<ClusterConnection> cluster)
        : app_(app), cluster_(std::move(cluster))
    {
    }
    Result<std::unique_ptr<ops::Lock>> acquire(const ops::LockKey& key, const ops::LockOwner& owner) override
    {
        TRY_ASSIGN(auto* leases, reached());
        return leases->acquire(key, owner);
    }
    Result<std::vector<ops::LockInfo>> list() override
    {
        TRY_ASSIGN(auto* leases, reached());
        return leases->list();
    }
    Result<std::vector<ops::LockKey>> known() override
    {
        TRY_ASSIGN(auto* leases, reached());
        return leases->known();
    }
    Result<bool> steal(const ops::LockKey& key) override
    {
        TRY_ASSIGN(auto* leases, reached());
        return leases->steal(key);
    }

  private:
    Result<LeaseStore*> reached()
    {
        if (!leases_) {
            TRY_ASSIGN(const Cluster* cluster, cluster_->get(app_));
            leases_ = std::make_unique<LeaseStore>(*cluster->api, cluster->name_space);
        }
        return leases_.get();
    }

    App& app_;
    const std::shared_ptr<ClusterConnection> cluster_;
    std::unique_ptr<LeaseStore> leases_;
};

} // namespace

// The namespace: -n, else the context's, else the kubeconfig's.
Result<const Cluster*> ClusterConnection::get(App& app)
{
    const std::lock_guard lock(mutex_);
    if (!cluster_) {
        TRY_ASSIGN(const Context* context, app.context());
        TRY_ASSIGN(auto access, kube::find_access(places_of(app, *context), context->kubernetes.context));
        TRY_ASSIGN(BackendModule * backends, app.backends());
        auto transport = backends->kube(access, kube::make_credentials(access, app.clock()), &app.cancel());
        const auto named = app.name_space();
        auto name_space = named.empty() ? access.name_space : named;
        cluster_.emplace(Cluster{
            std::move(access), std::make_shared<kube::Api>(std::move(transport), app.clock(), &app.cancel()),
            std::move(name_space), app.paths().cache_dir / "clusters"});
    }
    return &*cluster_;
}

Result<std::unique_ptr<Orchestrator>> make_cluster_orchestrator(const Cluster& cluster)
{
    return kubernetes::make_orchestrator(cluster.api, cluster.name_space, cluster.cache);
}

Result<std::unique_ptr<ServiceSettings>> make_cluster_settings(App& app, const Cluster& cluster)
{
    TRY_ASSIGN(auto salt, fingerprint_salt(app));
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    TRY_ASSIGN(auto identity, orchestrator->identity(app.deadline(k_limit)));
    return kubernetes::make_settings(cluster.api, cluster.name_space, std::move(identity), std::move(salt),
                                     cluster.cache);
}

Result<std::unique_ptr<Endpoints>> make_cluster_endpoints(const Cluster& cluster)
{
    return kubernetes::make_endpoints(cluster.api, cluster.name_space, cluster.cache);
}

Result<std::unique_ptr<HttpClient>> make_cluster_http(App& app, const Cluster& cluster)
{
    TRY_ASSIGN(BackendModule * backends, app.backends());
    TRY_ASSIGN(auto other, backends->http(&app.cancel()));
    return kube::make_pod_client({cluster.api, &cluster.api->transport()}, std::move(other));
}

Result<std::unique_ptr<Agents>> make_cluster_agents(App& app, const Context& context, const Cluster& cluster)
{
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    AgentsOptions options;
    TRY_ASSIGN(options.identity, orchestrator->identity(app.deadline(k_limit)));
    options.start_hint = "See what runs: conduitctl ps. A router's pod names its admin port \"admin\".";
    options.actor = app.operator_name();
    options.client = [api = cluster.api] { return kube::make_pod_client({api, &api->transport()}, nullptr); };
    options.token = [&app, &context, api = cluster.api]() -> Result<std::string> {
        const auto& ref = context.agent.token;
        if (ref.source == SecretRef::Source::kubernetes)
            return read_secret(*api, ref.location, app.deadline(k_limit));
        if (!ref.set())
            return fail(ErrorKind::auth, fmt::format("context {} names no token of its agents", context.name),
                        fmt::format("Say where it lives: conduitctl context set agent.token "
                                    "kubernetes:NAMESPACE/SECRET/KEY -C {}",
                                    context.name));
        TRY_ASSIGN(const auto secret, app.secret(ref));
        return secret.reveal();
    };
    options.discover = [&context, orchestrator](Deadline deadline) -> Result<std::vector<AgentEndpoint>> {
        TRY_ASSIGN(const auto pods, orchestrator->instances(context.agent.workload, deadline));
        std::vector<AgentEndpoint> endpoints;
        for (const auto& pod : pods)
            if (!pod.admin_url.empty() &&
                (pod.state == InstanceState::ready || pod.state == InstanceState::not_ready))
                endpoints.push_back({pod.name, pod.admin_url});
        return endpoints;
    };
    return make_agents(std::move(options));
}

Result<std::unique_ptr<InstanceStreams>> make_cluster_streams(App& app, const Cluster& cluster)
{
    TRY_ASSIGN(BackendModule * backends, app.backends());
    auto streams =
        backends->kube_streams(cluster.access, kube::make_credentials(cluster.access, app.clock()));
    return kubernetes::make_instance_streams(cluster.api, std::move(streams), cluster.name_space);
}

Result<std::unique_ptr<Releases>> make_cluster_releases(App& app, const Cluster& cluster)
{
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    TRY_ASSIGN(auto identity, orchestrator->identity(app.deadline(k_limit)));
    return kubernetes::make_releases(cluster.api, cluster.name_space, std::move(identity));
}

Result<std::unique_ptr<Volumes>> make_cluster_volumes(App& app, const Cluster& cluster)
{
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    TRY_ASSIGN(auto identity, orchestrator->identity(app.deadline(k_limit)));
    return kubernetes::make_volumes(cluster.api, cluster.name_space, std::move(identity));
}

Result<std::unique_ptr<Certificates>> make_cluster_certificates(App& app, const Cluster& cluster)
{
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    TRY_ASSIGN(auto identity, orchestrator->identity(app.deadline(k_limit)));
    return kubernetes::make_certificates(cluster.api, cluster.name_space, std::move(identity));
}

Result<std::string> read_cluster_secret(const Cluster& cluster, const std::string& location,
                                        Deadline deadline)
{
    return read_secret(*cluster.api, location, deadline);
}

std::unique_ptr<ClusterRecords> make_cluster_records(App& app, std::shared_ptr<ClusterConnection> cluster)
{
    return std::make_unique<ClusterRecords>(
        [&app, cluster = std::move(cluster)]() -> Result<ClusterRecords::Place> {
            TRY_ASSIGN(const Cluster* found, cluster->get(app));
            return ClusterRecords::Place{found->api.get(), found->name_space};
        });
}

std::unique_ptr<ops::LockStore> make_cluster_locks(App& app, std::shared_ptr<ClusterConnection> cluster)
{
    return std::make_unique<ClusterLocks>(app, std::move(cluster));
}

} // namespace conduit
