// SPDX-License-Identifier: Apache-2.0
// What only a cluster has: workloads whose settings are declared, kept by revision and rolled out. A setting
// is a path into the workload or its autoscaler:
//
//     workloads/NAME/image/CONTAINER                         "registry/app:v2"
//     workloads/NAME/resources/CONTAINER/limits.memory       "4Gi"; null: none (also cpu, requests.*)
//     workloads/NAME/strategy/type|max_surge|max_unavailable "RollingUpdate", 1, "25%"
//     workloads/NAME/paused                                  true, false
//     workloads/NAME/template    the name of the kept revision that the pods are made from
//     autoscalers/NAME/min|max|cpu                           3, 10, 70 (per cent; null: none)
//     autoscalers/NAME           all of it; null: there is none
#pragma once

#include "cli/orchestrator/orchestrator.hpp"
#include "core/json.hpp"

#include <map>
#include <span>

namespace conduit {

struct SettingChange {
    std::string path;
    JsonBox before; // stale unless it is this now
    JsonBox after;
};

struct SettingsRequest {
    std::vector<SettingChange> settings; // of one workload, or of one autoscaler: written at once
    std::string key;                     // a repeated key writes nothing
    std::string cause;                   // kept with the revision: "deploy agent v2 (maria)"
    bool dry_run = false;                // the server decides and writes nothing
    std::function<void()> on_sent;
};

struct ImageInUse {
    std::string instance, container, image;
    std::string digest;  // "sha256:..." of what really runs; "" while nothing does
    bool current = true; // of the wanted template
};

struct RolloutStatus {
    std::string workload;
    std::string kind;  // "Deployment", "StatefulSet", "DaemonSet", "Rollout"
    std::string state; // "complete", "progressing", "paused", "stuck"
    int wanted = 0, updated = 0, available = 0, total = 0;
    std::string problem;                                     // why it is stuck, or what it waits for
    std::vector<std::pair<std::string, std::string>> images; // wanted, by container
    std::vector<ImageInUse> running;
};

struct Revision {
    std::int64_t number = 0;
    std::string name; // of what keeps it: a value of workloads/NAME/template
    std::vector<std::pair<std::string, std::string>> images;
    std::vector<std::string> digests; // of its pods that run
    std::optional<WallTime> made_at;
    std::string cause;
    int replicas = 0;
    bool current = false;
    JsonBox pods; // the template; may hold what is not to be shown
};

struct Autoscaler {
    std::string name, workload;
    int min = 1, max = 0, now = 0, wanted = 0;
    std::optional<int> cpu;            // per cent of the request that is aimed at
    std::optional<int> cpu_now;        // nullopt: not known
    std::vector<std::string> other;    // further metrics, in words
    std::vector<std::string> problems; // why it cannot scale, or what limits it
};

struct ContainerResources {
    std::string container;
    std::map<std::string, std::string> requests, limits; // "cpu": "250m"
};

struct ReleaseCheck {
    enum class Verdict { passed, failed, unknown };
    std::string name; // "disruption budget"
    Verdict verdict = Verdict::passed;
    std::string detail;
    std::string hint;
};

struct ReleaseEvent {
    WallTime first{}, last{};
    std::int64_t count = 1;
    bool warning = false;
    std::string kind, object, reason, message;
};

class Releases {
  public:
    virtual ~Releases() = default;
    virtual std::string identity() const = 0; // as that of the orchestrator
    // Every path asked for has an entry. not_found names the nearest workload or container.
    virtual Result<std::map<std::string, JsonBox>> read(std::span<const std::string> paths,
                                                        Deadline deadline) = 0;
    // stale: a setting is no longer what the request says (details "field").
    virtual Result<> write(const SettingsRequest& request, Deadline deadline) = 0;
    // Was the setting written with this key? Of an autoscaler that is gone: does it have to be gone?
    virtual Result<bool> was_written(std::string_view key, const SettingChange& setting,
                                     Deadline deadline) = 0;
    // Until all wanted replicas are of the wanted template and available. failed, at once: they never will
    // be, with the reason, and the last lines and events in the cause; unverified: not seen in time.
    virtual Result<> settle(const std::string& workload, const ChangeProgress& progress,
                            Deadline deadline) = 0;

    virtual Result<RolloutStatus> status(const std::string& workload, Deadline deadline) = 0;
    virtual Result<std::vector<Revision>> revisions(const std::string& workload,
                                                    Deadline deadline) = 0; // ascending
    virtual Result<std::vector<ContainerResources>> resources(const std::string& workload,
                                                              Deadline deadline) = 0;
    // Could every replica be placed with these resources? passed, failed (no node is large enough), unknown.
    virtual Result<ReleaseCheck> fits(const std::string& workload,
                                      const std::vector<ContainerResources>& resources,
                                      Deadline deadline) = 0;
    virtual Result<std::vector<ReleaseCheck>> precheck(const std::string& workload, Deadline deadline) = 0;
    virtual Result<std::vector<Autoscaler>> autoscalers(Deadline deadline) = 0; // of all workloads
    // What an autoscaler that is made anew would be: a value of autoscalers/NAME.
    virtual Result<JsonBox> new_autoscaler(const std::string& workload, int min, int max,
                                           std::optional<int> cpu, Deadline deadline) = 0;
    virtual Result<JsonBox> describe(const std::string& name, Deadline deadline) = 0; // workload or instance
    virtual Result<std::vector<ReleaseEvent>> events(const std::string& object,
                                                     Deadline deadline) = 0; // "": of all; oldest first

    // Argo Rollouts. refused where the cluster does not know them; not_found for a workload that is none.
    virtual Result<JsonBox> canary(const std::string& workload, Deadline deadline) = 0;
    virtual Result<> steer_canary(const std::string& workload,
                                  std::string_view action, // promote, full, abort
                                  const std::string& key, const std::function<void()>& on_sent,
                                  Deadline deadline) = 0;
    virtual Result<bool> was_steered(const std::string& workload, std::string_view action,
                                     const std::string& key, Deadline deadline) = 0;
    // Until what was asked for is so: a step is left, everything is promoted, the stable version serves.
    virtual Result<> settle_canary(const std::string& workload, std::string_view action,
                                   const ChangeProgress& progress, Deadline deadline) = 0;
};

} // namespace conduit
