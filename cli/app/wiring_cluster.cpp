// SPDX-License-Identifier: Apache-2.0
#include "cli/app/wiring_cluster.hpp"

#include "cli/app/module.hpp"
#include "cli/orchestrator/kubernetes/orchestrator.hpp"
#include "cli/orchestrator/kubernetes/releases.hpp"
#include "cli/targets/lease_store.hpp"
#include "core/kube/api.hpp"

#include <fmt/format.h>

namespace conduit {
namespace {

constexpr Duration k_limit{30'000};

struct Reached {
    std::unique_ptr<kube::Api> api;
    std::string name_space;
};

kube::Places places_of(App& app, const Context& context)
{
    return {.only = context.kubernetes.kubeconfig,
            .kubeconfig = app.env_or("KUBECONFIG", ""),
            .home = app.env_or("HOME", ""),
            .service_host = app.env_or("KUBERNETES_SERVICE_HOST", ""),
            .service_port = app.env_or("KUBERNETES_SERVICE_PORT", "")};
}

// The namespace: -n, else the context's, else the kubeconfig's.
Result<Reached> reach(App& app, const Context& context)
{
    TRY_ASSIGN(const auto access, kube::find_access(places_of(app, context), context.kubernetes.context));
    TRY_ASSIGN(BackendModule * backends, app.backends());
    auto transport = backends->kube(access, kube::make_credentials(access, app.clock()), &app.cancel());
    const auto named = app.name_space();
    return Reached{std::make_unique<kube::Api>(std::move(transport), app.clock(), &app.cancel()),
                   named.empty() ? access.name_space : named};
}

// Reached when a lock is first asked for: a journal is read without a cluster.
class ClusterLocks final : public ops::LockStore {
  public:
    ClusterLocks(App& app, const Context& context) : app_(app), context_(context) {}
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
            TRY_ASSIGN(auto reached, reach(app_, context_));
            api_ = std::move(reached.api);
            leases_ = std::make_unique<LeaseStore>(*api_, std::move(reached.name_space));
        }
        return leases_.get();
    }

    App& app_;
    const Context& context_;
    std::unique_ptr<kube::Api> api_;
    std::unique_ptr<LeaseStore> leases_;
};

} // namespace

Result<std::unique_ptr<Orchestrator>> make_cluster_orchestrator(App& app, const Context& context)
{
    TRY_ASSIGN(auto reached, reach(app, context));
    return kubernetes::make_orchestrator(std::move(reached.api), std::move(reached.name_space),
                                         app.deadline(k_limit));
}

Result<std::unique_ptr<Releases>> make_cluster_releases(App& app, const Context& context)
{
    if (context.orchestrator != OrchestratorKind::kubernetes)
        return fail(
            ErrorKind::refused,
            fmt::format("context {} is run by {}: releases, autoscalers and the like are of a cluster",
                        context.name, orchestrator_name(context.orchestrator)),
            "Choose a context of kubernetes: conduitctl context ls");
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    TRY_ASSIGN(auto reached, reach(app, context));
    return kubernetes::make_releases(std::move(reached.api), std::move(reached.name_space),
                                     orchestrator->identity());
}

std::unique_ptr<ops::LockStore> make_cluster_locks(App& app, const Context& context)
{
    return std::make_unique<ClusterLocks>(app, context);
}

} // namespace conduit
