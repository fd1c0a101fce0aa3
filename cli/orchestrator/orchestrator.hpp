// SPDX-License-Identifier: Apache-2.0
// What runs the replicas, in the field's words: Kubernetes, Compose, or local processes. Adapters translate.
#pragma once

#include "core/cancel.hpp"
#include "core/clock.hpp"
#include "core/result.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conduit {

enum class InstanceState { starting, ready, not_ready, draining, exited, crash_loop };
std::string_view state_name(InstanceState state); // "crash-loop"
std::optional<InstanceState> parse_state(std::string_view name);

struct LastExit {
    int code = 0; // 128+N when a signal ended it
    WallTime at{};
};

// A pod, a container, a process.
struct Instance {
    std::string name;     // "agent-1"
    std::string workload; // "agent"
    std::string ref;      // what the orchestrator knows it by: a pid, a container id, a pod's uid
    InstanceState state = InstanceState::starting;
    bool ready = false;
    std::uint32_t restarts = 0;
    std::optional<WallTime> started_at;
    std::string admin_url; // empty: it has none
    std::string revision;  // of what it was started with: a fingerprint, an image, a template hash
    std::optional<LastExit> last_exit;
    std::string problem; // why it will not become ready by itself; "" when nothing speaks against it
    std::optional<WallTime> unready_since; // of one that runs and is not ready, where it is known
};

// A Deployment, a service, a group of processes.
struct Workload {
    std::string name;
    int wanted = 0;
    int ready = 0;
    int running = 0; // alive, the draining ones included
    bool scalable = true;
    bool remembers = false;        // can keep how many were wanted before it was stopped
    std::optional<int> remembered; // so many, while it is stopped
};

struct ContainerUsage {
    std::string container;
    double cpu_cores = 0;
    std::uint64_t memory_bytes = 0;
    std::optional<double> cpu_request, cpu_limit; // cores; nullopt: none is set
    std::optional<std::uint64_t> memory_request, memory_limit;
};

struct Usage { // of one instance, between two samples
    std::string instance;
    std::string workload;
    double cpu_cores = 0;
    std::uint64_t memory_bytes = 0;
    std::uint64_t threads = 0;
    std::uint64_t open_files = 0;
    std::vector<ContainerUsage> containers; // where an instance has any
};

struct OrchestratorEvent {
    WallTime at{};
    std::string object; // "agent-1"
    std::string reason; // "started", "ready", "exited", "back-off", "scaled"
    std::string message;
};

struct ScaleRequest {
    std::string workload;
    int replicas = 0;
    std::optional<int> expected; // stale unless this many are wanted now
    struct Remember {
        std::optional<int> expected; // stale unless so many are remembered now
        std::optional<int> replicas; // nullopt: nothing any more
    };
    std::optional<Remember> remember; // written together with the number
    std::string key;                  // a repeated key is answered as the first time
    bool wait = true;                 // until so many are ready and no other runs
    std::function<void()> on_sent;    // it has left, and no answer was read yet
};

struct RestartRequest {
    std::string workload;
    std::vector<std::string> instances; // empty: all of the workload, one after the other
    std::optional<Duration> drain;      // each old one; nullopt: as it is configured
    std::string key;
    bool wait = true;
    std::function<void()> on_sent;
};

struct OrchestratorChange {
    bool changed = false;
    std::vector<std::string> started; // instances that are new
    std::vector<std::string> ended;
    bool finished = true; // false: accepted, still under way
    std::string error;    // why it could not be finished
};

struct LogLine {
    std::string instance;
    std::string text; // without its line end
};

// A line's own word for how bad it is; one without any is `none`.
enum class LogLevel : std::uint8_t { none, debug, info, warning, error, fatal };

struct LogQuery {
    std::string workload;               // empty: any
    std::vector<std::string> instances; // empty: all; a single name may be a workload's as well
    std::optional<WallTime> since;      // lines whose time is not known are kept
    std::optional<std::size_t> tail;    // the last so many of each instance
    std::string grep;                   // a POSIX extended expression; empty: every line
    LogLevel level = LogLevel::none;    // only lines at least so bad, with those that belong to them
    bool previous = false;              // also of containers that ended before those that run
    bool follow = false;
};
using LogSink = std::function<bool(const LogLine&)>; // false ends it

using ChangeProgress = std::function<void(std::string_view line)>;

class Orchestrator {
  public:
    virtual ~Orchestrator() = default;
    virtual std::string kind() const = 0; // "local"
    // The same from wherever it is reached; part of lock keys. Asked for when something is to be changed.
    virtual Result<std::string> identity(Deadline deadline) = 0;

    virtual Result<std::vector<Workload>> workloads(Deadline deadline) = 0;
    // workload empty: of all. not_found names the nearest.
    virtual Result<std::vector<Instance>> instances(std::string_view workload, Deadline deadline) = 0;
    // unreachable: nothing was sent; unknown: the outcome is not known; unverified: applied, not seen in
    // time.
    virtual Result<OrchestratorChange> scale(const ScaleRequest& request, const ChangeProgress& progress,
                                             Deadline deadline) = 0;
    // Rolling: a new instance is ready before an old one drains.
    virtual Result<OrchestratorChange> restart(const RestartRequest& request, const ChangeProgress& progress,
                                               Deadline deadline) = 0;
    // Did the change with this key happen? nullopt: it did not.
    virtual Result<std::optional<OrchestratorChange>> find_change(std::string_view key,
                                                                  Deadline deadline) = 0;
    // follow ends at the deadline, on cancel, or when the sink says so.
    virtual Result<> logs(const LogQuery& query, const LogSink& sink, const Cancel& cancel,
                          Deadline deadline) = 0;
    virtual Result<std::vector<Usage>> top(std::string_view workload, Duration between,
                                           Deadline deadline) = 0;
    virtual Result<std::vector<OrchestratorEvent>> events(Deadline deadline) = 0; // oldest first
};

} // namespace conduit
