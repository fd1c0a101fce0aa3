// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/orchestrator.hpp"

#include "cli/orchestrator/kubernetes/admin_port.hpp"
#include "cli/orchestrator/kubernetes/change.hpp"
#include "cli/orchestrator/kubernetes/events.hpp"
#include "cli/orchestrator/kubernetes/pod_logs.hpp"
#include "cli/orchestrator/kubernetes/usage.hpp"
#include "core/hash.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::kubernetes {
namespace {

Result<std::string> cluster_identity(kube::Api& api, const std::string& name_space, Deadline deadline)
{
    const auto system = api.get("/api/v1/namespaces/kube-system", deadline);
    if (system) {
        const auto uid = json_string_or(member(**system, "metadata"), "uid", "");
        return fmt::format("cluster {} namespace {}", uid, name_space);
    }
    if (system.error().kind != ErrorKind::auth && system.error().kind != ErrorKind::not_found)
        return system.error();
    return fmt::format("cluster at {} namespace {}", api.transport().server(), name_space);
}

class KubernetesOrchestrator final : public Orchestrator {
  public:
    KubernetesOrchestrator(std::shared_ptr<kube::Api> api, std::string name_space, fs::path cache)
        : api_(std::move(api)), workloads_(*api_, std::move(name_space), std::move(cache))
    {
    }

    std::string kind() const override { return "kubernetes"; }
    Result<std::string> identity(Deadline deadline) override
    {
        if (identity_.empty()) {
            TRY_ASSIGN(identity_, cluster_identity(*api_, workloads_.name_space(), deadline));
        }
        return identity_;
    }

    Result<std::vector<Workload>> workloads(Deadline deadline) override
    {
        TRY_ASSIGN(const auto all, workloads_.workloads(deadline));
        std::vector<Workload> out;
        for (const auto& one : all)
            out.push_back(workload_of(*one));
        std::ranges::sort(out, {}, &Workload::name);
        return out;
    }

    Result<std::vector<Instance>> instances(std::string_view workload, Deadline deadline) override
    {
        std::vector<Instance> out;
        const auto take = [&](const Json& pod) {
            out.push_back(instance_of(pod));
            out.back().admin_url = admin_url_of(pod, api_->transport().server());
        };
        if (workload.empty()) { // may be thousands: none of them is kept as a document
            TRY(api_->list(
                kube::resource_path({.plural = "pods"}, workloads_.name_space()), {}, take,
                [&] { out.clear(); }, deadline));
        } else {
            TRY_ASSIGN(const auto found, workloads_.find(std::string(workload), deadline));
            TRY_ASSIGN(const auto pods, workloads_.pods_of(*found.object, deadline));
            for (const auto& pod : pods)
                take(*pod);
        }
        std::ranges::sort(out, {}, &Instance::name);
        return out;
    }

    Result<OrchestratorChange> scale(const ScaleRequest& request, const ChangeProgress& progress,
                                     Deadline deadline) override
    {
        return kubernetes::scale(workloads_, request, progress, deadline);
    }

    Result<OrchestratorChange> restart(const RestartRequest& request, const ChangeProgress& progress,
                                       Deadline deadline) override
    {
        return kubernetes::restart(workloads_, request, progress, deadline);
    }

    Result<std::optional<OrchestratorChange>> find_change(std::string_view key, Deadline deadline) override
    {
        TRY_ASSIGN(const auto all, workloads_.workloads(deadline));
        for (const auto& one : all)
            if (was_done(*one, key)) {
                TRY_ASSIGN(const bool finished, is_finished(workloads_, *one, key, deadline));
                return std::optional(OrchestratorChange{.changed = true, .finished = finished});
            }
        return std::optional<OrchestratorChange>{};
    }

    Result<> logs(const LogQuery& query, const LogSink& sink, const Cancel& cancel,
                  Deadline deadline) override
    {
        return pod_logs(workloads_, query, sink, cancel, deadline);
    }

    Result<std::vector<Usage>> top(std::string_view workload, Duration, Deadline deadline) override
    {
        std::vector<JsonBox> pods;
        if (workload.empty()) {
            TRY_ASSIGN(pods, workloads_.pods("", deadline));
        } else {
            TRY_ASSIGN(const auto found, workloads_.find(std::string(workload), deadline));
            TRY_ASSIGN(pods, workloads_.pods_of(*found.object, deadline));
        }
        std::ranges::sort(pods, {}, [](const JsonBox& pod) { return name_of(*pod); });
        return pod_usage(workloads_, pods, deadline);
    }

    Result<std::vector<OrchestratorEvent>> events(Deadline deadline) override
    {
        TRY_ASSIGN(auto all, kubernetes::events(workloads_, "", deadline));
        std::vector<OrchestratorEvent> out;
        for (auto& one : all)
            out.push_back({one.last, std::move(one.object), std::move(one.reason), std::move(one.message)});
        return out;
    }

  private:
    std::shared_ptr<kube::Api> api_;
    WorkloadApi workloads_;
    std::string identity_; // empty: not asked for yet
};

} // namespace

std::unique_ptr<Orchestrator> make_orchestrator(std::shared_ptr<kube::Api> api, std::string name_space,
                                                fs::path cache)
{
    return std::make_unique<KubernetesOrchestrator>(std::move(api), std::move(name_space), std::move(cache));
}

} // namespace conduit::kubernetes
