// SPDX-License-Identifier: Apache-2.0
// Workloads and pods of one namespace, read and written through the API server.
#pragma once

#include "cli/orchestrator/kubernetes/objects.hpp"
#include "core/kube/api.hpp"
#include "core/kube/discovery.hpp"

#include <functional>
#include <string>
#include <vector>

namespace conduit::kubernetes {

struct Found {
    std::string path; // of the object
    JsonBox object;
};

class WorkloadApi {
  public:
    // cache: where it is kept what the server serves; empty: nowhere.
    WorkloadApi(kube::Api& api, std::string name_space, fs::path cache = {})
        : api_(api), discovery_(api, std::move(cache)), name_space_(std::move(name_space))
    {
    }

    // Deployments, StatefulSets and DaemonSets by name; asked for at once.
    Result<std::vector<JsonBox>> workloads(Deadline deadline);
    Result<std::vector<JsonBox>> pods(const std::string& label_selector, Deadline deadline);
    // not_found names the nearest.
    Result<Found> find(const std::string& name, Deadline deadline);
    Result<std::optional<Found>> look(const std::string& name, Deadline deadline);
    Result<std::vector<JsonBox>> pods_of(const Json& workload, Deadline deadline);

    // Reads, lets `edit` make a merge patch from what is there, and writes it unless the object changed
    // meanwhile; then it begins anew. `edit` may refuse. A patch of null: nothing to write.
    Result<JsonBox> update(const std::string& path, const std::function<Result<Json>(const Json& now)>& edit,
                           const std::function<void()>& on_sent, Deadline deadline, bool dry_run = false);
    // Asks the API server to remove a pod as its disruption budget allows. refused with the budget's words.
    Result<> evict(const Json& pod, std::optional<Duration> drain, Deadline deadline);

    kube::Api& api() { return api_; }
    kube::Discovery& discovery() { return discovery_; }
    const std::string& name_space() const { return name_space_; }

  private:
    kube::Api& api_;
    kube::Discovery discovery_;
    std::string name_space_;
};

// "app=agent,tier in (a,b)" of a workload's spec.selector.
std::string selector_of(const Json& workload);

} // namespace conduit::kubernetes
