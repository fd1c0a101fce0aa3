// SPDX-License-Identifier: Apache-2.0
// The agents and the simulator of one folder on this machine, for the verbs of `local`. Made by
// cli/orchestrator/local.
#pragma once

#include "core/cancel.hpp"
#include "core/clock.hpp"
#include "core/fs.hpp"
#include "core/json.hpp"
#include "core/result.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::local {

struct UpOptions {
    fs::path dir;
    std::optional<int> replicas;       // kept as it was, 2 at first
    std::optional<std::uint16_t> port; // of the router; 8080 at first, or a free one when that is taken
    std::optional<bool> sim;           // true at first
    std::vector<std::string> sim_args; // further arguments of the simulator: latency and so on
    std::vector<std::string> supervisor_argv; // the program that supervises this folder
    Duration timeout{15'000};
    std::function<void(std::string_view line)> progress;
    const Cancel* cancel = nullptr; // interrupted, or partial once something was started or ended
};
struct UpResult {
    bool changed = false;
    JsonBox status; // as LocalStack::status
};

struct DownOptions {
    fs::path dir;
    bool purge = false; // removes the folder's content too
    Duration timeout{60'000};
    std::function<void(std::string_view line)> progress;
    const Cancel* cancel = nullptr; // as for UpOptions
};
struct DownResult {
    bool changed = false;
    bool purged = false;
};

struct SimFault { // what is set is added to the fault there is
    bool down = false;
    bool throttle = false;
    bool hang = false;
    bool reset = false;
    bool quota_exhausted = false;
    bool bad_credentials = false;
    std::optional<double> error_rate; // 0..1
    std::optional<Duration> latency;
    std::optional<Duration> first_byte;
    std::optional<Duration> retry_after;
    std::optional<int> status;
    std::optional<std::uint64_t> cut_after_bytes;
    std::optional<std::uint64_t> fail_next;
    std::optional<Duration> expires; // ends by itself

    bool any() const; // besides expires
};

struct SuperviseRequest {
    fs::path dir;
    std::string agent_program;
    std::string sim_program;
    // Called every second on a thread of its own, so that it may ask this supervisor: pending reversals are
    // carried out here.
    std::function<void(WallTime now)> every_second;
};

class LocalStack {
  public:
    virtual ~LocalStack() = default;
    // ok only when every wanted replica, and the simulator, is ready. failed with the last log lines of the
    // one that is not. Calls at the same time wait for each other.
    virtual Result<UpResult> up(const UpOptions& options) = 0;
    // ok only when no process is left, orphans of a killed supervisor included.
    virtual Result<DownResult> down(const DownOptions& options) = 0;
    // The document of `local status -o json`. A folder without a supervisor is an answer ("running": false),
    // not an error.
    virtual Result<Json> status(const fs::path& dir, Deadline deadline, const Cancel* cancel) = 0;

    // control_url: "sim_control_url" of status. {"items": [{"name", "fault", ...counters}]}
    virtual Result<Json> faults(const std::string& control_url, Deadline deadline) = 0;
    // Each answers with the provider's document afterwards: its fault and its counters.
    virtual Result<Json> set_fault(const std::string& control_url, const std::string& provider,
                                   const SimFault& fault, Deadline deadline) = 0;
    virtual Result<Json> clear_fault(const std::string& control_url, const std::string& provider,
                                     Deadline deadline) = 0;

    // Runs until it is told to stop; returns the exit code.
    virtual int supervise(const SuperviseRequest& request) = 0;
};

} // namespace conduit::local
