// SPDX-License-Identifier: Apache-2.0
// The agent's threads and ports.
#pragma once

#include "agent/admin/admin.hpp"
#include "agent/server/log.hpp"

#include <functional>
#include <memory>
#include <string>

namespace conduit::agent {

class PoolBoard;
struct FleetParts;

class Server : public DataPlane, public GaugeSource {
  public:
    struct Options {
        unsigned threads = 1;
        HostPort data, admin;
        bool admin_on = true;
        int data_fd = -1, admin_fd = -1; // inherited listening sockets
        TlsFiles data_tls, admin_tls;
    };
    struct Parts { // outlive the server
        Limiter& limiter;
        HealthBoard& health;
        Cache& cache;
        SingleFlight& flights;
        Metrics& metrics;
        Records& records;
        RetryBudget& retries;
        Log& log;
        const Clock& clock;
        FleetParts* fleet = nullptr; // null: this agent shares nothing with others
    };
    // Opens the ports; nothing is accepted before start().
    static Result<std::unique_ptr<Server>> open(Options options, Parts parts);

    // Hands the snapshot to every worker; returns when all have it. Before start(): at once.
    virtual void publish(std::shared_ptr<const Snapshot> snapshot,
                         std::shared_ptr<const SafetyRules> rules) = 0;
    // Null: no admin API; then /health is a plain liveness answer.
    virtual void start(std::function<AdminResponse(const AdminRequest&)> admin) = 0;
    virtual std::string data_url() const = 0;
    virtual std::string admin_url() const = 0;
    virtual bool draining() const = 0;
    // Reads certificates and keys again now; a file that cannot be used leaves what was there.
    virtual Result<> reload_tls() = 0;
    // Stops accepting, lets requests end until the deadline, then stops the threads. A realtime session that
    // is silent for 5 s is sent away before, unless patient: somebody said how long they may last.
    virtual void stop(Deadline deadline, bool patient) = 0;
    void stop(Deadline deadline) { stop(deadline, false); }
};

} // namespace conduit::agent
